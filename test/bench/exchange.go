package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// exchangeTimeout bounds one exchange.
	exchangeTimeout = 5 * time.Second
	// responseBytes bounds the body of a response.
	responseBytes = 1 << 20
)

// httpConn is a connection on which requests are answered one after the other.
type httpConn struct {
	net.Conn
	in *bufio.Reader
}

// dial connects to the server at url. It accepts any certificate.
func dial(ctx context.Context, url string) (*httpConn, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	scheme, addr, _ := strings.Cut(url, "://")
	var conn net.Conn
	var err error
	if scheme == "https" {
		config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
		conn, err = (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", addr)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	return &httpConn{conn, bufio.NewReader(conn)}, nil
}

// exchange sends a request and returns the headers and the body of the response, whose status must be 2xx.
func (c *httpConn) exchange(request string) (http.Header, string, error) {
	if err := c.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return nil, "", err
	}
	if _, err := io.WriteString(c, request); err != nil {
		return nil, "", err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, responseBytes))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %.200s", res.Status, body)
	}
	return res.Header, string(body), err
}
