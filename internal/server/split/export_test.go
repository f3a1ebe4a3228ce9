package split

import (
	"net"
	"time"
)

// Decide reads conn until it is clear who serves it, and returns the connection that this server gets, and who
// it is: "grpc-go", "net/http by HTTP/2" or "net/http".
func Decide(conn net.Conn, cfg Config) (net.Conn, string, error) {
	p := &peeker{
		conn: conn, cfg: cfg, started: time.Now(),
		setDeadline: func(conn net.Conn, t time.Time) { _ = conn.SetReadDeadline(t) },
	}
	kind, err := p.peek()
	if err != nil {
		return nil, "", err
	}
	ignore := func() {}
	switch kind {
	case grpcRequest:
		return newGRPCConn(p, ignore), "grpc-go", nil
	case http2Request:
		return newHTTPConn(p, ignore, new(tally)), "net/http by HTTP/2", nil
	}
	return &replayConn{Conn: conn, replay: p.in, answered: ignore}, "net/http", nil
}

// HTTPConn returns conn as net/http gets an HTTP/2 connection.
func HTTPConn(conn net.Conn) net.Conn {
	p := &peeker{conn: conn, cfg: Config{WriteTimeout: time.Minute}, in: make([]byte, 0, bufferBytes)}
	return newHTTPConn(p, func() {}, new(tally))
}
