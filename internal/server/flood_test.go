package server_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

const (
	// floodFrames is how many frames a flood has, unless the server stops it.
	floodFrames = 20_000
	// floodBytes is how much memory a flood may cost the server.
	floodBytes = 32 << 20
)

// floods are what a hostile peer sends repeatedly after a request that was answered. Stream is a new one each time.
var floods = map[string]func(p *wiretest.Peer, n, stream uint32, contentType string) error{
	"rapid reset": func(p *wiretest.Peer, _, stream uint32, contentType string) error {
		if err := p.WriteHeaders(headers(stream, p.Post(who, contentType))); err != nil {
			return err
		}
		return p.WriteRSTStream(stream, http2.ErrCodeCancel)
	},
	"CONTINUATION": func(p *wiretest.Peer, n, _ uint32, contentType string) error {
		if n == 0 {
			return p.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.Post(who, contentType)})
		}
		return p.WriteContinuation(3, false, bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 100))
	},
	"SETTINGS": func(p *wiretest.Peer, n, _ uint32, _ string) error {
		return p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<16 + n})
	},
	"PING":          func(p *wiretest.Peer, _, _ uint32, _ string) error { return p.WritePing(false, [8]byte{}) },
	"empty DATA":    func(p *wiretest.Peer, _, _ uint32, _ string) error { return p.WriteData(1, false, nil) },
	"PRIORITY":      func(p *wiretest.Peer, _, _ uint32, _ string) error { return p.WritePriority(1, http2.PriorityParam{}) },
	"unknown":       func(p *wiretest.Peer, _, _ uint32, _ string) error { return p.WriteRawFrame(0xbe, 0, 0, nil) },
	"WINDOW_UPDATE": func(p *wiretest.Peer, _, _ uint32, _ string) error { return p.WriteWindowUpdate(0, 1) },
}

// ending are the floods that end a connection, by what serves it. The others cost no more than reading them.
var ending = map[string][]string{
	"rapid reset":  {"net/http", "grpc-go"},
	"CONTINUATION": {"net/http", "grpc-go"},
	"PING":         {"grpc-go"},
}

// The cost of a flood is measured for the whole process, so this test does not run in parallel to others, and floods one
// server at a time. It waits for connections to be closed in the end, because net/http and grpc-go take a second for that.
func TestAFloodIsBounded(t *testing.T) {
	type flooded struct {
		name string
		peer *wiretest.Peer
	}
	var closing []flooded
	for name, write := range floods {
		for _, lane := range http2Lanes() {
			for how, reads := range map[string]bool{"reading": true, "not reading": false} {
				t.Run(name+"/"+lane.name+"/"+how, func(sub *testing.T) {
					p, stopped := floodOne(t, sub, lane, reads, write)
					if slices.Contains(ending[name], lane.server) && !stopped {
						closing = append(closing, flooded{sub.Name(), p})
					}
				})
			}
		}
	}
	for _, f := range closing {
		if !ends(f.peer) {
			t.Errorf("%s: %d frames did not end the connection", f.name, floodFrames)
		}
	}
}

// floodOne floods a server and checks what it costs. It returns the peer, which lasts until parent ends, and whether the
// server stopped it.
func floodOne(
	parent, t *testing.T, to laneCase, reads bool, write func(p *wiretest.Peer, n, stream uint32, contentType string) error,
) (p *wiretest.Peer, stopped bool) {
	// The delay of clients that reset requests has a test of its own, in package lane. Here it only takes time.
	s := start(parent, server.Config{Bounds: server.Bounds{ResetDelay: 200 * time.Microsecond}})
	p = s.dial(parent)
	p.Request(1, p.Post(who, to.contentType), wiretest.Message(nil))
	wantResponse(t, p, to.server)
	before, goroutines := heap(), runtime.NumGoroutine()
	stopped = flood(p, reads, func(n uint32) error { return write(p, n, 3+2*n, to.contentType) })
	if cost := heap() - before; cost > floodBytes {
		t.Errorf("it costs %d bytes, want at most %d", cost, floodBytes)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 300 { // a connection may have 100 streams
		t.Errorf("it costs %d goroutines, want at most 300", more)
	}
	other := s.dial(t)
	other.Request(1, other.Post(who, to.contentType), wiretest.Message(nil))
	wantResponse(t, other, to.server)
	return p, stopped
}

// flood writes floodFrames frames, or fewer if no more can be written, and reports whether the server stopped it. A
// server that does not read, while the peer does not either, has stopped it.
func flood(p *wiretest.Peer, reads bool, write func(n uint32) error) (stopped bool) {
	over := make(chan struct{})
	if reads {
		go func() {
			defer close(over)
			_, _ = io.Copy(io.Discard, p.Conn)
		}()
	}
	for n := range uint32(floodFrames) {
		_ = p.SetWriteDeadline(time.Now().Add(time.Second))
		if write(n) != nil {
			return true
		}
		select {
		case <-over:
			return true
		default:
		}
	}
	return false
}

// ends reports whether the server ends the connection once it has read what was sent.
func ends(p *wiretest.Peer) bool {
	_ = p.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := io.Copy(io.Discard, p.Conn)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// heap returns the size of the live heap, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
