package split

import (
	"net"
	"time"
)

// grpcConn is a connection that grpc-go serves.
//
// grpc-go answers 415 to any other request, so this looks at each request as well as it passes. The first
// that is not gRPC, and all behind it, are refused: the client is told by GOAWAY that they were not looked
// at, upon which it sends them again on another connection. Requests under way go on.
type grpcConn struct {
	net.Conn
	source  *source
	request *request
	last    uint32 // the latest stream that grpc-go has; only the reader uses it
	refused bool   // whether further streams are refused; only the reader uses it
	writer  *writer
	addr    net.Addr

	answered func()
}

func newGRPCConn(p *peeker, answered func()) *grpcConn {
	c := &grpcConn{
		Conn: p.conn, request: p.request, last: p.stream,
		writer:   &writer{conn: p.conn, timeout: p.cfg.WriteTimeout, boundary: boundary{answered: answered}},
		answered: answered,
		addr:     addr{p.conn.RemoteAddr(), p.conn.RemoteAddr().String()},
	}
	c.source = newSource(p, c.judge)
	return c
}

func (c *grpcConn) Read(p []byte) (int, error)  { return c.source.Read(p) }
func (c *grpcConn) Write(p []byte) (int, error) { return c.writer.Write(p) }

// Close implements [net.Conn].
func (c *grpcConn) Close() error {
	c.answered()
	return c.Conn.Close()
}

// RemoteAddr implements [net.Conn].
func (c *grpcConn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline sets that for reading. Each write has a deadline of its own.
func (c *grpcConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing, for the same reason.
func (c *grpcConn) SetWriteDeadline(time.Time) error { return nil }

// addr is an address as text already, since every call asks for it.
type addr struct {
	net.Addr
	text string
}

func (a addr) String() string { return a.text }

func (c *grpcConn) judge(f frame, rest []byte) verdict {
	switch {
	case f.kind == typeHeaders:
		return c.judgeRequest(f, rest)
	case c.refused && (f.kind == typeContinuation || f.stream > c.last):
		return drop
	}
	return pass
}

// judgeRequest looks at a request whose HEADERS frame is f. Blocks that grpc-go will refuse to read, as they
// cannot be read, pass with all that follows.
func (c *grpcConn) judgeRequest(f frame, rest []byte) verdict {
	if c.refused {
		return drop // even what would end a request under way: the blocks before it are missing
	}
	fragments, _, complete := headerBlock(rest)
	switch {
	case !complete:
		return more
	case fragments == nil || c.request.read(fragments) != nil:
		return passAll
	case f.stream <= c.last: // trailers, or a stream that grpc-go will not accept
		return pass
	case c.request.grpc:
		c.last = f.stream
		return pass
	}
	c.refused = true
	c.writer.interject(goAway(c.last, "this connection is for gRPC: send the request on a new one"))
	return drop
}
