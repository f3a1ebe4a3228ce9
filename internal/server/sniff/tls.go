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

// lingerTime is how long somebody who does not speak TLS has to read that this is what is spoken.
const lingerTime = 500 * time.Millisecond

// handshake does the TLS handshake of a connection, if it has one.
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
			askForTLS(e.Conn)
		}
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// level is how much it matters that a handshake failed: hardly, where anybody may call and many do by mistake, but
// much where a certificate was asked for.
func (m *Mux) level(err error) slog.Level {
	_, gone := errors.AsType[net.Error](err)
	if m.cfg.TLS.ClientAuth == tls.NoClientCert || gone || errors.Is(err, io.EOF) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// isHTTP reports whether what came in place of a handshake is the beginning of a request.
func isHTTP(begin [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO", h2.Preface[:5]}, string(begin[:]))
}

// askForTLS answers a request that came without TLS. It is in HTTP/1.1 also for who speaks HTTP/2: clients know how
// that looks, and say so.
func askForTLS(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(lingerTime))
	response := []byte("HTTP/1.1 400 Bad Request\r\nContent-Type: " + problem.ContentType + "\r\nConnection: close\r\n\r\n")
	p := problem.Problem{Status: http.StatusBadRequest, Detail: "This port requires TLS: use https://."}
	_, _ = conn.Write(append(p.Append(response), '\n'))
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, conn) // a connection that is closed with bytes unread takes the answer along
}
