package wiretest

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// patience is how long a peer waits for a frame.
const patience = 2 * time.Minute

// Peer is an HTTP/2 client of single frames, which can also do what no client should.
type Peer struct {
	net.Conn
	*http2.Framer
	t       testing.TB
	block   bytes.Buffer
	encoder *hpack.Encoder
}

// DialPeer connects to url.
func DialPeer(t testing.TB, url string) *Peer {
	t.Helper()
	addr, secure := strings.CutPrefix(url, "https://")
	conn, err := net.Dial("tcp", strings.TrimPrefix(addr, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		config := ClientTLS(t)
		config.ServerName, config.NextProtos = "localhost", []string{"h2"}
		conn = tls.Client(conn, config)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return NewPeer(t, conn)
}

// NewPeer returns a peer on conn.
func NewPeer(t testing.TB, conn net.Conn) *Peer {
	p := &Peer{Conn: conn, Framer: http2.NewFramer(conn, conn), t: t}
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.AllowIllegalWrites = true
	p.encoder = hpack.NewEncoder(&p.block)
	return p
}

// Greet sends the client's preface and SETTINGS.
func (p *Peer) Greet() {
	p.t.Helper()
	_, err := p.Conn.Write([]byte(http2.ClientPreface))
	p.Must(err)
	p.Must(p.WriteSettings())
}

// Must fails the test if a frame was not written.
func (p *Peer) Must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("write a frame: %v", err)
	}
}

// Block returns a header block. Fields are names and values in alternation.
func (p *Peer) Block(fields ...string) []byte {
	p.block.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		_ = p.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(p.block.Bytes())
}

// Post returns the header block of a POST request.
func (p *Peer) Post(path, contentType string, fields ...string) []byte {
	return p.Block(append([]string{":method", "POST", ":scheme", "http", ":authority", "test", ":path", path,
		"content-type", contentType}, fields...)...)
}

// Request sends a complete request.
func (p *Peer) Request(stream uint32, block, body []byte) {
	p.t.Helper()
	p.Must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}))
	p.Must(p.WriteData(stream, true, body))
}

// Next returns the next frame of a type, or nil if the connection ends first. It acknowledges SETTINGS.
func Next[F http2.Frame](p *Peer) (next F) {
	p.t.Helper()
	for {
		_ = p.SetReadDeadline(time.Now().Add(patience))
		frame, err := p.ReadFrame()
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			p.t.Fatalf("no %T within the time limit", next)
		}
		if err != nil {
			p.t.Logf("the connection ended: %v", err)
			return next
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
			_ = p.WriteSettingsAck() // the connection may have ended, which the next read reports
		}
		if f, ok := frame.(F); ok {
			return f
		}
	}
}

// Outcome returns the outcome of a stream: its HTTP status, "reset" if the server reset it, or "ended" if the
// connection ended.
func (p *Peer) Outcome(stream uint32) string {
	p.t.Helper()
	for {
		switch f := Next[http2.Frame](p).(type) {
		case nil, *http2.GoAwayFrame:
			return "ended"
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return "reset"
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == stream {
				return Field(f, ":status")
			}
		}
	}
}

// Field returns the value of a field in a header block, or "".
func Field(f *http2.MetaHeadersFrame, name string) string {
	if f == nil {
		return ""
	}
	for _, field := range f.Fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}

// Message returns a gRPC message with its prefix.
func Message(data []byte) []byte {
	n := len(data)
	return append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, data...)
}
