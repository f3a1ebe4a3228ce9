package serve

import (
	"log/slog"
	"net/http"
)

// newHTTP returns the server of everything but gRPC connections.
func newHTTP(cfg Config) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           oneLength(withDeadlines(cfg.Handler)),
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
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
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
