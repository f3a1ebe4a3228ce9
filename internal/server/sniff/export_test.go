package sniff

import (
	"net"
	"time"
)

// Decide reads conn until its protocol is known, and returns the connection as its lane gets it, and the lane.
func Decide(conn net.Conn, cfg Config) (*Conn, Lane, error) {
	s := &sniffer{
		conn: conn, bounds: cfg.Bounds, grpc: cfg.GRPC, started: time.Now(),
		setReadDeadline: func(conn net.Conn, t time.Time) { _ = conn.SetReadDeadline(t) },
	}
	found, err := s.sniff()
	if err != nil {
		return nil, 0, err
	}
	m := &Mux{cfg: cfg}
	return s.result(found, nil, nil), m.laneOf(found), nil
}
