package server_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

func TestHeadersOver16KiBAreRejected(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	for length, want := range map[int]int{
		15 << 10: http.StatusOK, 16<<10 + 1: http.StatusRequestHeaderFieldsTooLarge,
		19 << 10: http.StatusRequestHeaderFieldsTooLarge, 32 << 10: http.StatusRequestHeaderFieldsTooLarge,
	} {
		for name, change := range map[string]func(*http.Request, string){
			"a header":         func(r *http.Request, text string) { r.Header.Set("X-Large", text) },
			"the request line": func(r *http.Request, text string) { r.URL.Path = "/" + text },
		} {
			req, err := http.NewRequest(http.MethodGet, s.url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			change(req, strings.Repeat("x", length))
			res, err := http1(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s of %d bytes got %d, want %d", name, length, res.StatusCode, want)
			}
		}
	}
}

// In many fields or in one, in the first request of a connection or a later one.
func TestAHeaderListOver16KiBIsRejected(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprint("x-", i), strings.Repeat("x", 50))
	}
	for name, fields := range map[string][]string{"many fields": many, "one field": {"x-long", strings.Repeat("~", 20<<10)}} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", later: ", later), func(t *testing.T) {
				t.Parallel()
				s := start(t, oneMinute)
				p := s.dial(t)
				stream := uint32(1)
				if later {
					p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
					wantResponse(t, p, "grpc-go")
					stream = 3
				}
				before := s.calls.Load()
				block := p.Post(who, grpcs, fields...)
				// The server may close the connection before everything is written.
				_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:100]})
				for part := range slices.Chunk(block[100:], 16<<10) {
					_ = p.WriteContinuation(stream, false, part)
				}
				_ = p.WriteContinuation(stream, true, nil)
				_ = p.WriteData(stream, true, wiretest.Message(nil))
				if got := p.Outcome(stream); got == "200" || s.calls.Load() != before {
					t.Errorf("the request was answered with %s, want it rejected", got)
				}
			})
		}
	}
}

func TestAConnectionMayEndInAnyWay(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	preface := http2.ClientPreface
	for name, write := range map[string]func(*wiretest.Peer){
		"nothing":             func(*wiretest.Peer) {},
		"half a preface":      func(p *wiretest.Peer) { _, _ = io.WriteString(p.Conn, preface[:10]) },
		"a wrong preface":     func(p *wiretest.Peer) { _, _ = io.WriteString(p.Conn, preface[:20]+"xxxxxxxx") },
		"no SETTINGS":         func(p *wiretest.Peer) { _, _ = io.WriteString(p.Conn, preface); _ = p.WritePing(false, [8]byte{}) },
		"SETTINGS alone":      func(p *wiretest.Peer) { p.Greet() },
		"an ACK for nothing":  func(p *wiretest.Peer) { p.Greet(); _ = p.WriteSettingsAck(); _ = p.WriteSettingsAck() },
		"RST_STREAM first":    func(p *wiretest.Peer) { p.Greet(); _ = p.WriteRSTStream(1, http2.ErrCodeCancel) },
		"DATA first":          func(p *wiretest.Peer) { p.Greet(); _ = p.WriteData(1, true, nil) },
		"CONTINUATION first":  func(p *wiretest.Peer) { p.Greet(); _ = p.WriteContinuation(1, true, nil) },
		"GOAWAY first":        func(p *wiretest.Peer) { p.Greet(); _ = p.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"HEADERS of stream 0": func(p *wiretest.Peer) { p.Greet(); _ = p.WriteHeaders(headers(0, p.Post(who, grpcs))) },
		"HEADERS of stream 2": func(p *wiretest.Peer) { p.Greet(); _ = p.WriteHeaders(headers(2, p.Post(who, grpcs))) },
		"a frame of 16 MiB":   func(p *wiretest.Peer) { p.Greet(); _, _ = p.Conn.Write([]byte{255, 255, 255, 4, 0, 0, 0, 0, 0}) },
		"an invalid header block": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(headers(1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}))
		},
		"padding without end": func(p *wiretest.Peer) { p.Greet(); _ = p.WriteRawFrame(http2.FrameHeaders, 0xc, 1, []byte{255, 1}) },
		"half a header block": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		},
		"PING within a block": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			_ = p.WritePing(false, [8]byte{})
		},
		"CONTINUATION without end": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			for range 100 {
				_ = p.WriteContinuation(1, false, make([]byte, 16<<10))
			}
		},
		"SETTINGS without end": func(p *wiretest.Peer) {
			p.Greet()
			for range floodFrames {
				_ = p.WriteSettings()
			}
		},
		"PING without end": func(p *wiretest.Peer) {
			p.Greet()
			for range floodFrames {
				_ = p.WritePing(false, [8]byte{})
			}
		},
		"a bad frame on a connection of grpc-go": func(p *wiretest.Peer) {
			p.Greet()
			p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
			_ = p.WriteHeaders(headers(3, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}))
		},
		"a header list of 1 MiB on a connection of grpc-go": func(p *wiretest.Peer) {
			p.Greet()
			p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.Post(who, grpcs)})
			for range 64 {
				_ = p.WriteContinuation(3, false, make([]byte, 16<<10))
			}
		},
		"rapid reset": func(p *wiretest.Peer) {
			p.Greet()
			for i := range uint32(10_000) {
				_ = p.WriteHeaders(headers(2*i+1, p.Post(who, grpcs)))
				_ = p.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := wiretest.DialPeer(t, s.url)
			// If the peer did not read, a flood would be stopped by the peer rather than by the server.
			go func() { _, _ = io.Copy(io.Discard, p.Conn) }()
			write(p)
			_ = p.Conn.Close()
		})
	}
	for _, lane := range lanes {
		if got := callWho(t, lane.transport(t, s.url)); got != lane.server {
			t.Errorf("a good call after all that was served by %q, want %s", got, lane.server)
		}
	}
	s.wantCleanStop(t)
}
