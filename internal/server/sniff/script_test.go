package sniff_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"pgregory.net/rapid"

	"key-value/internal/testkit/wiretest"
)

// script is a connection that returns pieces, one for each read, and keeps what is written.
type script struct {
	net.Conn
	pieces [][]byte
	peer   net.TCPAddr

	mu      sync.Mutex
	written bytes.Buffer // guarded by mu
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written.Write(p)
}

func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }
func (*script) Close() error                     { return nil }
func (s *script) RemoteAddr() net.Addr           { return &s.peer }

// pieces cuts data in random places.
func pieces(t *rapid.T, data []byte) [][]byte {
	var out [][]byte
	for len(data) != 0 {
		n := min(len(data), rapid.OneOf(rapid.Just(1), rapid.IntRange(1, 40), rapid.IntRange(1, 20_000)).Draw(t, "piece"))
		out, data = append(out, data[:n]), data[n:]
	}
	return out
}

// recorder is a peer that keeps the bytes it sends.
type recorder struct {
	*wiretest.Peer
	sent bytes.Buffer
}

func newRecorder(t testing.TB) *recorder {
	r := &recorder{}
	r.Peer = wiretest.NewPeer(t, &sink{w: &r.sent})
	return r
}

type sink struct {
	net.Conn
	w io.Writer
}

func (s *sink) Write(p []byte) (int, error) { return s.w.Write(p) }

// requests writes random requests, one on each stream, and returns the header field "x-number" of those that are gRPC, and
// the streams of the others. The first is gRPC.
func requests(t *rapid.T, r *recorder) (grpc []string, others []uint32) {
	r.Greet()
	n := rapid.IntRange(1, 12).Draw(t, "requests")
	for i := range n {
		stream, number := uint32(2*i+1), fmt.Sprint(i)
		fields := []string{"x-number", number, "x-repeated", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "repeated"),
			"x-long", strings.Repeat("x", rapid.IntRange(0, 3000).Draw(t, "long"))}
		var block []byte
		if i == 0 || rapid.Bool().Draw(t, "gRPC") {
			grpc = append(grpc, number)
			block = r.Post(procedure, "application/grpc", fields...)
		} else {
			others = append(others, stream)
			block = r.Block(append([]string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/x"}, fields...)...)
		}
		writeHeaders(t, r, stream, block)
		if rapid.Bool().Draw(t, "ping") {
			r.Must(r.WritePing(false, [8]byte{byte(i)}))
		}
		r.Must(r.WriteData(stream, true, make([]byte, rapid.IntRange(0, 12_000).Draw(t, "body"))))
	}
	return grpc, others
}

// writeHeaders writes block in one frame or two.
func writeHeaders(t *rapid.T, r *recorder, stream uint32, block []byte) {
	cut := rapid.IntRange(0, len(block)).Draw(t, "cut")
	r.Must(r.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: block[:cut], EndHeaders: cut == len(block),
		PadLength: uint8(rapid.IntRange(0, 9).Draw(t, "padding")),
	}))
	if cut < len(block) {
		r.Must(r.WriteContinuation(stream, true, block[cut:]))
	}
}
