package server

import (
	"log/slog"
	"net"
	"time"
)

// ServeOn serves the connections of a listener as Run does, until stop is called.
func ServeOn(listener net.Listener, cfg Config) (stop func()) {
	cfg.State, cfg.Log = NewState(), slog.New(slog.DiscardHandler)
	cfg.Traffic = &Traffic{}
	s := newPort(listener, cfg)
	s.serve()
	return func() { _ = s.stop(time.Millisecond) }
}

// Drain makes a server report that it is not ready, as it does before it stops.
func Drain(s *State) { s.drain(0) }
