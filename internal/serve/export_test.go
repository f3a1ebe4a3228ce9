package serve

import (
	"log/slog"
	"net/http"
)

// NewServer returns the server that Run runs, for tests that bring their own connections.
func NewServer(handler http.Handler) *http.Server {
	return newServer(Config{Handler: handler, Log: slog.New(slog.DiscardHandler)})
}
