package server_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"

	"key-value/internal/testkit/wiretest"
)

func TestWhatIsNotGRPCIsRefusedWithoutBeingLookedAt(t *testing.T) {
	b := startBoth(t, time.Minute)
	p := b.dial(t)
	p.Request(1, p.Post(watch, grpcs, "x-first", "in the table of both sides"), wiretest.Message(nil))
	<-b.opened
	p.Request(3, p.Post(who, "application/proto", "x-second", "in that of the client alone"), nil)
	away := wiretest.Next[*http2.GoAwayFrame](p)
	if away == nil || away.LastStreamID != 1<<31-1 || away.ErrCode != http2.ErrCodeNo {
		t.Fatalf("the other request was answered by %v, want GOAWAY that cuts off nothing", away)
	}
	for _, stream := range []uint32{3, 5} {
		if stream == 5 { // was under way before GOAWAY came
			p.Request(5, p.Block(":method", "GET", ":scheme", "http", ":authority", "test", ":path", "/"), nil)
		}
		reset := wiretest.Next[*http2.RSTStreamFrame](p)
		if reset == nil || reset.StreamID != stream || reset.ErrCode != http2.ErrCodeRefusedStream {
			t.Fatalf("stream %d got %v, want REFUSED_STREAM", stream, reset)
		}
	}
	p.Request(7, p.Post(who, grpcs, "x-first", "in the table of both sides", "x-second", "in that of the client alone",
		"x-long", strings.Repeat("x", 15<<10)), wiretest.Message(nil))
	wantAnswer(t, p, "grpc-go")
	b.events <- "still there"
	for {
		data := wiretest.Next[*http2.DataFrame](p)
		if data == nil {
			t.Fatal("the stream under way ended")
		}
		if data.StreamID == 1 {
			break
		}
	}
}

// Some requests have no better answer than grpc-go's, so they are not worth a new connection.
func TestWhatNobodyServesIsAnsweredByGRPC(t *testing.T) {
	b := startBoth(t, time.Minute)
	p := b.dial(t)
	p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	wantAnswer(t, p, "grpc-go")
	p.Request(3, p.Post("/", "text/plain", "te", "trailers"), nil) // which only gRPC clients say
	p.Request(5, p.Post(who, "image/jpeg"), nil)
	for answers := 0; answers < 2; {
		header := wiretest.Next[*http2.MetaHeadersFrame](p)
		if header == nil {
			t.Fatal("the connection ended")
		}
		if header.StreamID == 1 {
			continue // its trailers
		}
		answers++
		if got := wiretest.Field(header, ":status"); got != "415" {
			t.Errorf("stream %d got status %s, want 415", header.StreamID, got)
		}
	}
}

// In many fields or in one, first on the connection or later.
func TestAHeaderListOver16KiBIsRefused(t *testing.T) {
	t.Parallel()
	b := startBoth(t, time.Minute)
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprint("x-", i), strings.Repeat("x", 50))
	}
	for name, fields := range map[string][]string{"many fields": many, "one field": {"x-long", strings.Repeat("~", 20<<10)}} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", later: ", later), func(t *testing.T) {
				p := b.dial(t)
				stream := uint32(1)
				if later {
					p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
					wantAnswer(t, p, "grpc-go")
					stream = 3
				}
				before := b.answers.Load()
				block := p.Post(who, grpcs, fields...)
				// The server may have closed the connection before all is written.
				_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:100]})
				for part := range slices.Chunk(block[100:], 16<<10) {
					_ = p.WriteContinuation(stream, false, part)
				}
				_ = p.WriteContinuation(stream, true, nil)
				_ = p.WriteData(stream, true, wiretest.Message(nil))
				if got := p.Outcome(stream); got == "200" || b.answers.Load() != before {
					t.Errorf("the request was answered with %s, want it refused", got)
				}
			})
		}
	}
}

func TestAConnectionMayEndInAnyWay(t *testing.T) {
	b := startBoth(t, time.Minute)
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
		"a header block that is none": func(p *wiretest.Peer) {
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
			p := wiretest.DialPeer(t, b.url)
			// What the server says must be read, or a flood would wait for the peer rather than the server.
			go func() { _, _ = io.Copy(io.Discard, p.Conn) }()
			write(p)
			_ = p.Conn.Close()
		})
	}
	if got := askWho(t, connecthttp.NewTransport(wiretest.HTTPClient(t), b.url, connecthttp.WithGRPC())); got != "grpc-go" {
		t.Errorf("a good call afterwards was served by %q", got)
	}
	b.stop()
	if err := <-b.done; err != nil {
		t.Errorf("Run = %v after all that, want nil", err)
	}
}
