package server

import (
	"log/slog"
	"net"
	"time"
)

// ServeOn serves the connections of a listener, with all bounds that Run sets, until the function that it
// returns is called.
func ServeOn(listener net.Listener, cfg Config) (stop func()) {
	cfg.State, cfg.Log = NewState(), slog.New(slog.DiscardHandler)
	s := newServers(listener, cfg)
	s.serve()
	return func() { _ = s.stop(time.Millisecond) }
}

// Leave has a server say that it is not ready, as it does before it stops.
func Leave(s *State) { s.leave(0) }
