package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"

	"key-value/internal/contract/problem"
	"key-value/internal/server/split"
)

// newHTTP returns the server of everything but gRPC connections.
func newHTTP(cfg Config) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// Connections come with TLS taken off, except where there are too many to look at.
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(cfg.TLS != nil)
	handler := sendAway(cfg.State, withoutResets(oneLength(boundHeaders(withDeadlines(cfg.Handler)))))
	if cfg.TLS != nil {
		handler = withTLS(handler)
	}
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     writeTimeout,
		},
		ConnContext: keepPeer,
		ErrorLog:    slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
}

// tlsKey is where a connection's context has its [tls.ConnectionState], as a pointer.
type tlsKey struct{}

func keepTLS(ctx context.Context, conn net.Conn) context.Context {
	if state := split.TLS(conn); state != nil {
		return context.WithValue(ctx, tlsKey{}, state)
	}
	return ctx
}

// withTLS tells requests that they came by TLS, which net/http does not see.
func withTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsKey{}).(*tls.ConnectionState); ok {
			r.TLS = state
		}
		next.ServeHTTP(w, r)
	})
}

// oneLength closes an HTTP/1.1 connection behind a request in chunks. Such a request may have had a
// Content-Length as well, which net/http drops without a word; what follows it could then be read as a second
// request here and as part of the first one by a proxy in front (RFC 9112, section 6.1).
func oneLength(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// boundHeaders refuses headers over HTTP/1.1 that net/http lets pass, which reads up to 4 KiB more than it is told.
func boundHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && headerSize(r) > headerBytes {
			w.Header().Set("Connection", "close")
			tooLong := problem.Problem{Status: http.StatusRequestHeaderFieldsTooLarge, Detail: "The headers exceed 16 KiB."}
			tooLong.Write(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// headerSize is how long the request line and the headers of r were, or a few bytes less.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

// sendAway closes HTTP/1.1 connections behind their next answer while the server is about to stop. Their clients then
// open new ones, which a load balancer takes elsewhere; a connection that is closed while it waits may have a request on
// its way, which would be lost. HTTP/2 has GOAWAY for that.
func sendAway(state *State, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && !state.Running() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
