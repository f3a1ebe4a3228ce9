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

	"key-value/internal/testkit/wiretest"
)

const (
	// floodFrames is how many frames a flood has, if nobody stops it.
	floodFrames = 20_000
	// floodBytes is how much memory it may cost the server.
	floodBytes = 32 << 20
)

// floods are what a hostile peer sends again and again, behind a request that was answered. Stream is one that is new.
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

// ended are the floods that end a connection, by who serves it. The others cost no more than to read them.
var ended = map[string][]string{
	"rapid reset":  {"net/http"},
	"CONTINUATION": {"net/http", "grpc-go"},
	"PING":         {"grpc-go"},
}

func TestAFloodIsBounded(t *testing.T) {
	for name, write := range floods {
		for server, contentType := range map[string]string{"grpc-go": grpcs, "net/http": "application/grpc-web"} {
			for how, reads := range map[string]bool{"reading": true, "not reading": false} {
				t.Run(name+"/"+server+"/"+how, func(t *testing.T) {
					b := startBoth(t, 0)
					p := b.dial(t)
					p.Request(1, p.Post(who, contentType), wiretest.Message(nil))
					wantAnswer(t, p, server)
					before, goroutines := heap(), runtime.NumGoroutine()
					stopped := flood(p, reads, func(n uint32) error { return write(p, n, 3+2*n, contentType) })
					if slices.Contains(ended[name], server) && !stopped && !ends(p) {
						t.Errorf("%d frames did not end the connection", floodFrames)
					}
					if cost := heap() - before; cost > floodBytes {
						t.Errorf("it costs %d bytes", cost)
					}
					if more := runtime.NumGoroutine() - goroutines; more > 1100 { // a connection may have 1,000 streams
						t.Errorf("it costs %d goroutines", more)
					}
					other := b.dial(t)
					other.Request(1, other.Post(who, contentType), wiretest.Message(nil))
					wantAnswer(t, other, server)
				})
			}
		}
	}
}

// flood writes until all is written or no more can be, and reports whether the server has stopped it. A server that
// does not read while nobody reads what it says has.
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

// ends reports whether the server ends the connection, when it has read what was sent to it.
func ends(p *wiretest.Peer) bool {
	_ = p.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, p.Conn)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// heap is how much is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
