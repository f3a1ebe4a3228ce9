package sniff

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"key-value/internal/contract/problem"
	"key-value/internal/server/h2"
)

// lingerTime is how long a client without TLS has to read that the port requires TLS.
const lingerTime = 500 * time.Millisecond

// handshake completes the TLS handshake of a connection that has TLS.
func (m *Mux) handshake(conn net.Conn) error {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	deadline := time.Now().Add(m.cfg.Bounds.HeaderTimeout)
	m.setReadDeadline(conn, deadline)
	_ = conn.SetWriteDeadline(deadline)
	if err := secure.HandshakeContext(context.Background()); err != nil {
		m.cfg.Log.Log(context.Background(), m.level(err), "TLS handshake failed", "peer", conn.RemoteAddr().String(), "error", err)
		if e, ok := errors.AsType[tls.RecordHeaderError](err); ok && e.Conn != nil && isHTTP(e.RecordHeader) {
			requireTLS(e.Conn)
		}
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// level returns the log level of a failed handshake: a warning only if client certificates are required and the client
// did not just leave. Anyone can reach an open port, and many do by mistake.
func (m *Mux) level(err error) slog.Level {
	_, gone := errors.AsType[net.Error](err)
	if m.cfg.TLS.ClientAuth == tls.NoClientCert || gone || errors.Is(err, io.EOF) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// isHTTP reports whether what arrived in place of a handshake is the beginning of a request.
func isHTTP(begin [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO", h2.Preface[:5]}, string(begin[:]))
}

// requireTLS answers a request that came without TLS. It answers in HTTP/1.1 even to HTTP/2 clients: they recognize it
// and report it.
func requireTLS(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(lingerTime))
	response := []byte("HTTP/1.1 400 Bad Request\r\nContent-Type: " + problem.ContentType + "\r\nConnection: close\r\n\r\n")
	p := problem.Problem{Status: http.StatusBadRequest, Detail: "This port requires TLS: use https://."}
	_, _ = conn.Write(append(p.Append(response), '\n'))
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, conn) // closing a connection with unread bytes would discard the answer
}
