package split

import (
	"net"
	"time"
)

// refusedMax is how many requests are refused on one connection before it is closed. A client should stop at
// the first.
const refusedMax = 1000

// grpcConn is a connection that grpc-go serves.
//
// grpc-go answers 415 to any other request, so this looks at each request as well as it passes. One that
// grpc-go cannot serve is refused, upon which the client sends it again on another connection. Requests of
// gRPC go on.
type grpcConn struct {
	net.Conn
	cfg      Config
	source   *source
	request  *request
	last     uint32 // the latest stream; only the reader uses it
	refused  int    // how many requests were refused; only the reader uses it
	writer   *writer
	addr     net.Addr
	answered func()
}

func newGRPCConn(p *peeker, answered func()) *grpcConn {
	c := &grpcConn{
		Conn: p.conn, cfg: p.cfg, request: p.request, last: p.stream,
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
	if f.kind == typeHeaders {
		return c.judgeRequest(f, rest)
	}
	return pass // also to refused streams: grpc-go does not know them, and makes room for what was sent
}

// judgeRequest looks at a request whose HEADERS frame is f. Blocks that grpc-go will refuse to read, as they
// cannot be read, pass with all that follows.
func (c *grpcConn) judgeRequest(f frame, rest []byte) verdict {
	fragments, size, complete := headerBlock(rest)
	switch {
	case !complete:
		return more
	case fragments == nil || c.request.read(fragments) != nil:
		return passAll
	}
	trailers := f.stream <= c.last
	c.last = max(c.last, f.stream)
	c.source.instead, c.source.insteadOf = nil, size
	switch {
	case c.refused == 0 && (trailers || !c.request.belongsElsewhere(c.cfg.Procedures)):
		return pass
	case trailers: // of a request that may have been refused; gRPC's have none
	case c.request.tooLong(), c.request.belongsElsewhere(c.cfg.Procedures):
		c.refuse(f.stream)
	default:
		// grpc-go has not seen all blocks, on which this one may depend.
		c.source.instead = appendHeaders(nil, f.flags&flagEndStream, f.stream, c.request.rewrite())
	}
	return replace
}

// refuse tells the client that a request was not looked at, and to open a new connection for it.
func (c *grpcConn) refuse(stream uint32) {
	c.refused++
	switch c.refused {
	case 1:
		c.request.keep = true
		why := "this connection is for gRPC: open a new one for other requests"
		c.writer.interject(append(goAway(allStreams, why), refusal(stream)...))
	case refusedMax:
		_ = c.Conn.Close()
	default:
		c.writer.interject(refusal(stream))
	}
}
