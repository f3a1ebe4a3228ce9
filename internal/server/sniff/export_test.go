package sniff

import (
	"net"
	"time"
)

// Decide reads conn until it is clear who serves it, and returns the connection that this lane gets.
func Decide(conn net.Conn, cfg Config) (*Conn, Lane, error) {
	p := &peeker{
		conn: conn, cfg: cfg, started: time.Now(),
		setDeadline: func(conn net.Conn, t time.Time) { _ = conn.SetReadDeadline(t) },
	}
	kind, err := p.peek()
	if err != nil {
		return nil, 0, err
	}
	to := HTTP
	if kind == grpcRequest {
		to = GRPC
	}
	return p.decided(kind, func() {}), to, nil
}
