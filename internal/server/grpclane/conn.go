package grpclane

import (
	"net"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// conn is a connection that grpc-go serves.
//
// grpc-go answers 415 to any other request, so this looks at each request as well as it passes. One that
// grpc-go cannot serve is refused, upon which the client sends it again on another connection. Requests of
// gRPC go on.
type conn struct {
	*sniff.Conn
	bounds  lane.Bounds
	specs   map[string]connect.Spec // :: procedure → what it is
	filter  *h2.Filter
	request *h2.RequestDecoder
	last    uint32 // the latest stream; only the reader uses it
	refused int    // how many requests were refused; only the reader uses it
	writer  *h2.Writer
	addr    net.Addr
}

func newConn(c *sniff.Conn, bounds lane.Bounds, specs map[string]connect.Spec) *conn {
	out := &conn{
		Conn: c, bounds: bounds, specs: specs, request: c.HTTP2.Request, last: c.HTTP2.Stream,
		writer: h2.NewWriter(c.Conn, bounds.WriteTimeout, c.Answered),
		addr:   addr{c.RemoteAddr(), c.RemoteAddr().String()},
	}
	out.filter = h2.NewFilter(c.Conn, c.HTTP2.Read, c.HTTP2.Looked, out.judge)
	return out
}

func (c *conn) Read(p []byte) (int, error)  { return c.filter.Read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.writer.Write(p) }

// RemoteAddr implements [net.Conn].
func (c *conn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline sets that for reading. Each write has a deadline of its own.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing, for the same reason.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// addr is an address as text already, since every call asks for it.
type addr struct {
	net.Addr
	text string
}

func (a addr) String() string { return a.text }

func (c *conn) judge(f h2.Frame, rest []byte) h2.Verdict {
	if f.Kind == h2.TypeHeaders {
		return c.judgeRequest(f, rest)
	}
	return h2.Pass // also to refused streams: grpc-go does not know them, and makes room for what was sent
}

// judgeRequest looks at a request whose HEADERS frame is f. Blocks that grpc-go will refuse to read, as they
// cannot be read, pass with all that follows.
func (c *conn) judgeRequest(f h2.Frame, rest []byte) h2.Verdict {
	fragments, size, complete := h2.HeaderBlock(rest)
	switch {
	case !complete:
		return h2.More
	case fragments == nil || c.request.Read(fragments) != nil:
		return h2.PassAll
	}
	trailers := f.Stream <= c.last
	c.last = max(c.last, f.Stream)
	switch {
	case c.refused == 0 && (trailers || !c.belongsElsewhere()):
		return h2.Pass
	case trailers: // of a request that may have been refused; gRPC's have none
	case c.request.TooLong(), c.belongsElsewhere():
		c.refuse(f.Stream)
	default:
		// grpc-go has not seen all blocks, on which this one may depend.
		return c.filter.Substitute(size, h2.AppendHeaders(nil, f.Flags&h2.FlagEndStream, f.Stream, c.request.Rewrite()))
	}
	return c.filter.Substitute(size, nil)
}

// refuse tells the client that a request was not looked at, and to open a new connection for it.
func (c *conn) refuse(stream uint32) {
	c.refused++
	switch c.refused {
	case 1:
		c.request.Keep = true
		why := "this connection is for gRPC: open a new one for other requests"
		c.writer.Interject(append(h2.GoAway(h2.AllStreams, why), h2.Refusal(stream)...))
	case c.bounds.Refusals:
		_ = c.Conn.Close()
	default:
		c.writer.Interject(h2.Refusal(stream))
	}
}

// belongsElsewhere reports whether a server of anything but gRPC has a better answer than grpc-go's 415. It
// has none for a gRPC client that says something else, nor for a procedure in no protocol's content type.
func (c *conn) belongsElsewhere() bool {
	r := c.request
	_, isProcedure := c.specs[r.Path]
	switch {
	case r.IsGRPC(), r.Trailers:
		return false
	case r.Method != http.MethodPost || !isProcedure:
		return true
	}
	for _, prefix := range []string{"application/grpc-web", "application/connect+", "application/proto", "application/json"} {
		if strings.HasPrefix(r.ContentType, prefix) {
			return true
		}
	}
	return false
}
