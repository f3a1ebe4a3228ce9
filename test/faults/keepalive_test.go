package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// keepAlive is an [http.RoundTripper] of one HTTP/1.1 connection, for one request at a time. It keeps the connection open
// unless the server closes it, and never sends a request twice, which [http.Transport] does with requests that are safe to
// repeat.
type keepAlive struct {
	addr   string
	slow   time.Duration // before each read of up to slowPiece; 0 for none
	conn   net.Conn      // nil if closed
	reader *bufio.Reader
}

// RoundTrip implements [http.RoundTripper].
func (k *keepAlive) RoundTrip(req *http.Request) (*http.Response, error) {
	if k.conn != nil && k.wasClosed() {
		k.close()
	}
	if k.conn == nil {
		conn, err := (&net.Dialer{}).DialContext(req.Context(), "tcp", k.addr)
		if err != nil {
			return nil, err
		}
		k.conn, k.reader = conn, bufio.NewReader(conn)
		if k.slow > 0 {
			_ = conn.(*net.TCPConn).SetReadBuffer(slowPiece)
			k.reader = bufio.NewReaderSize(slowReader{conn, k.slow}, slowPiece)
		}
	}
	defer context.AfterFunc(req.Context(), k.interrupt(k.conn))()
	res, err := k.exchange(req)
	if err != nil || res.Close {
		k.close()
	}
	return res, err
}

// exchange sends a request and reads its response to the end.
func (k *keepAlive) exchange(req *http.Request) (*http.Response, error) {
	if err := req.Write(k.conn); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(k.reader, req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// wasClosed reports whether the server closed the connection while it was idle. Nothing else arrives then.
func (k *keepAlive) wasClosed() bool {
	_ = k.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer func() { _ = k.conn.SetReadDeadline(time.Time{}) }()
	_, err := k.conn.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func (k *keepAlive) interrupt(conn net.Conn) func() {
	return func() { _ = conn.SetDeadline(time.Unix(1, 0)) }
}

func (k *keepAlive) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}
