package server

import (
	"log/slog"
	"net"
	"net/http"
	"time"
)

// NewServer returns the server that Run runs, for tests that bring their own connections.
func NewServer(handler http.Handler) *http.Server {
	return newHTTP(Config{Handler: handler, State: NewState(), Log: slog.New(slog.DiscardHandler)})
}

// ServeOn serves the connections of a listener, with all bounds that Run sets, until the function that it
// returns is called.
func ServeOn(listener net.Listener, cfg Config) (stop func()) {
	cfg.Log = slog.New(slog.DiscardHandler)
	s := newServers(listener, cfg)
	s.serve()
	return func() { _ = s.stop(time.Millisecond) }
}

// Leave has a server say that it is not ready, as it does before it stops.
func Leave(s *State) { s.leave(0) }
