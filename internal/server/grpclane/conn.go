package grpclane

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

// goAwayReason is the debug data of the GOAWAY that a client gets with its first refused request.
const goAwayReason = "this connection is for gRPC: open a new one for other requests"

// conn is a connection that grpc-go serves.
//
// grpc-go answers 415 to a request that is not gRPC. So conn looks at every request before grpc-go reads it, and refuses
// those that another lane can serve: the client then sends them on a new connection. gRPC requests still pass, and so do
// requests that are already open. Requests that HTTP/2 calls malformed, which grpc-go does not notice, are reset.
type conn struct {
	*sniff.Conn
	bounds  lane.Bounds
	specs   map[string]connect.Spec // :: procedure → its spec
	filter  *h2.Filter
	writer  *h2.Writer
	streams *lane.Streams
	lengths lengths
	unsent  unsent
	addr    net.Addr
	away    atomic.Bool // whether the client was sent GOAWAY

	// Only the reader uses these.
	begun   bool // whether grpc-go has begun to read
	request *h2.RequestDecoder
	last    uint32 // the latest stream
	refused int    // requests that were refused
}

func newConn(sniffed *sniff.Conn, bounds lane.Bounds, limiter *lane.Limiter, specs map[string]connect.Spec) *conn {
	c := &conn{
		Conn: sniffed, bounds: bounds, specs: specs, request: sniffed.HTTP2.Request, last: sniffed.HTTP2.Stream,
	}
	c.streams = lane.NewStreams(limiter, lane.ConnOf(sniffed.Conn), func(frames []byte) { c.writer.Insert(frames) },
		func() { _ = c.Close() })
	c.streams.Began(c.last)
	c.addr = addr{sniffed.RemoteAddr(), sniffed.RemoteAddr().String(), c.streams, new(atomic.Int64), &c.unsent}
	c.writer = h2.NewWriter(lane.NewWriter(sniffed.Conn, bounds.WritePace()), h2.Tracker{
		OnHeaders: sniffed.Answered,
		OnFrame: func(f h2.Frame) {
			c.streams.Sent(f)
			c.lengths.sent(f)
		},
		OnReset: c.streams.Replace,
	})
	if c.request != nil && c.request.ContentLength >= 0 {
		c.lengths.declare(c.last, c.request.ContentLength)
	}
	c.filter = h2.NewFilter(sniffed.Conn, sniffed.HTTP2.Buffer, sniffed.HTTP2.Judged, c.judge, c.streams)
	return c
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if !c.begun { // grpc-go has written SETTINGS, which must precede GOAWAY
		c.begun = true
		c.OnMixed(func() { c.goAway(nil) })
	}
	return c.filter.Read(p)
}

// Write implements [net.Conn].
func (c *conn) Write(p []byte) (int, error) { return c.writer.Write(p) }

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.streams.Close()
	c.unsent.close()
	return c.Conn.Close()
}

// RemoteAddr implements [net.Conn].
func (c *conn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline sets the read deadline. Each write has a deadline of its own.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing, for the same reason.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// addr is an address that is already formatted, because every call asks for it. It is also how a call finds what it
// shares with others on its connection.
type addr struct {
	net.Addr
	text    string
	streams *lane.Streams
	calls   *atomic.Int64 // in progress
	unsent  *unsent
}

func (a addr) String() string { return a.text }

// judge lets everything but requests pass, even frames of refused streams: grpc-go ignores them, and gives back the
// flow-control window that they took.
func (c *conn) judge(f h2.Frame, rest []byte) h2.Verdict {
	if !c.streams.Arrived(f) {
		return h2.Hold
	}
	switch f.Kind {
	case h2.TypeHeaders:
		return c.judgeRequest(f, rest)
	case h2.TypeRSTStream:
		c.lengths.forget(f.Stream)
	case h2.TypeData:
		n, complete := content(f, rest)
		if !complete {
			return h2.More
		}
		if c.lengths.wrong(f, n) {
			return c.filter.Substitute(0, c.malformed(f.Stream)) // and then the frame, for its flow-control window
		}
	}
	return h2.Pass
}

// malformed resets a request. It returns the frame that tells grpc-go, as if the client had reset it.
func (c *conn) malformed(stream uint32) []byte {
	c.lengths.forget(stream)
	frame := h2.Malformation(stream)
	c.streams.Sent(h2.ParseFrame(frame))
	c.writer.Insert(frame)
	return frame
}

// judgeRequest judges the request whose HEADERS frame is f. After a block that cannot be decoded everything passes:
// grpc-go cannot decode it either, and closes the connection.
func (c *conn) judgeRequest(f h2.Frame, rest []byte) h2.Verdict {
	fragments, size, complete := h2.HeaderBlock(rest)
	switch {
	case !complete:
		return h2.More
	case fragments == nil || c.request.Decode(fragments) != nil:
		return h2.PassAll
	}
	trailers := f.Stream <= c.last
	c.last = max(c.last, f.Stream)
	switch {
	case c.refused == 0 && trailers && c.lengths.wrong(f, 0):
		return c.filter.Substitute(0, c.malformed(f.Stream))
	case c.refused == 0 && (trailers || !c.belongsElsewhere()):
		if trailers || !c.isMalformed(f) {
			return h2.Pass
		}
		// grpc-go must see the block, which later ones may depend on.
		return c.filter.Substitute(size, append(bytes.Clone(rest[:size]), c.malformed(f.Stream)...))
	case trailers: // perhaps of a refused request; a gRPC request has none
	case c.request.TooLong(), c.belongsElsewhere():
		c.refuse(f.Stream)
	default:
		// grpc-go has not seen every block, and this one may depend on those that it missed.
		block := h2.AppendHeaders(nil, f.Flags&h2.FlagEndStream, f.Stream, c.request.Reencode())
		if c.isMalformed(f) {
			block = append(block, c.malformed(f.Stream)...)
		}
		return c.filter.Substitute(size, block)
	}
	return c.filter.Substitute(size, nil)
}

// isMalformed reports whether the last request, whose HEADERS frame is f, is malformed. If not, it begins to check the
// length of its body.
func (c *conn) isMalformed(f h2.Frame) bool {
	length := c.request.ContentLength
	if c.request.Malformed || length > 0 && f.Has(h2.FlagEndStream) {
		return true
	}
	if length >= 0 {
		c.lengths.declare(f.Stream, length)
	}
	return false
}

// refuse tells the client that a request was not processed, and to open a new connection for it.
func (c *conn) refuse(stream uint32) {
	c.refused++
	c.streams.Sent(h2.Frame{Kind: h2.TypeRSTStream, Stream: stream})
	if c.refused == c.bounds.Refusals {
		_ = c.Close()
		return
	}
	c.goAway(h2.Refusal(stream))
	if c.refused == 1 {
		c.request.Keep = true
		if !c.request.Unreadable { // the client's next request may be one for grpc-go again
			c.Mixed()
		}
	}
}

// goAway sends frames, and before them GOAWAY if the client has not been sent it.
func (c *conn) goAway(frames []byte) {
	if !c.away.Swap(true) {
		frames = append(h2.GoAway(h2.AllStreams, goAwayReason), frames...)
	}
	if len(frames) != 0 {
		c.writer.Insert(frames)
	}
}

// belongsElsewhere reports whether another lane has a better answer to the request than grpc-go's 415. It does not for
// a gRPC client with a wrong content type, nor for a procedure in a content type of no protocol.
func (c *conn) belongsElsewhere() bool {
	_, isProcedure := c.specs[c.request.Path]
	switch {
	case c.request.Unreadable: // which grpc-go would answer by itself, with the code internal
		return true
	case c.request.IsGRPC(), c.request.Trailers:
		return false
	case c.request.Method != http.MethodPost || !isProcedure:
		return true
	}
	for _, prefix := range []string{"application/grpc-web", "application/connect+", "application/proto", "application/json"} {
		if strings.HasPrefix(c.request.ContentType, prefix) {
			return true
		}
	}
	return false
}
