package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// pause is between two strokes of a hostile peer, and strokes how many frames one has.
	pause   = 10 * time.Millisecond
	strokes = 100
)

// hostile is a way to be a nuisance: peers at a time, each of which does what attack does until it fails, and then
// connects again.
type hostile struct {
	name   string
	peers  int
	attack func(ctx context.Context, tcp net.Conn) error
}

func nuisances() []hostile {
	return []hostile{
		{"rapid reset", 4, rapidReset},
		{"CONTINUATION flood", 4, continuation},
		{"SETTINGS flood", 4, settings},
		{"PING flood", 4, pings},
		{"slow headers", 2000, slowHeaders},
		{"half-open connections", 5000, halfOpen},
		{"readers that stop", 200, stopReading},
		{"10,000 wrong keys/s", 4, wrongKeys},
	}
}

// begin has the peers at work until ctx ends.
func (h hostile) begin(ctx context.Context, addr string) {
	// From an address of their own, as the good ones share nothing with them but the server.
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	var all sync.WaitGroup
	for range h.peers {
		all.Go(func() {
			for ctx.Err() == nil {
				tcp, err := dialer.DialContext(ctx, "tcp", addr)
				if err != nil {
					time.Sleep(pause)
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
				_ = h.attack(ctx, tcp)
				stop()
				_ = tcp.Close()
				time.Sleep(pause)
			}
		})
	}
	all.Wait()
}

// flood greets as an HTTP/2 client does, reads whatever comes, and calls stroke again and again.
func flood(tcp net.Conn, stroke func(f *http2.Framer, n uint32) error) error {
	out := bufio.NewWriter(tcp) // to be hostile must not cost the machine more than to suffer it
	f := http2.NewFramer(out, nil)
	if _, err := io.WriteString(out, http2.ClientPreface); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, tcp) }()
	if err := f.WriteSettings(); err != nil {
		return err
	}
	for n := uint32(0); ; n++ {
		if err := stroke(f, n); err != nil {
			return err
		}
		if n%strokes == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
			time.Sleep(pause)
		}
	}
}

func headers() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/v1/values?prefix=overload/"},
		{":authority", "a"}, {"x-api-key", apiKey}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true})
	}
	return block.Bytes()
}

func rapidReset(_ context.Context, tcp net.Conn) error {
	block := headers()
	return flood(tcp, func(f *http2.Framer, n uint32) error {
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			return err
		}
		return f.WriteRSTStream(2*n+1, http2.ErrCodeCancel)
	})
}

func continuation(_ context.Context, tcp net.Conn) error {
	block := headers()
	return flood(tcp, func(f *http2.Framer, n uint32) error {
		if n == 0 {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block})
		}
		return f.WriteContinuation(1, false, bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 200))
	})
}

func settings(_ context.Context, tcp net.Conn) error {
	return flood(tcp, func(f *http2.Framer, n uint32) error {
		return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<16 + n})
	})
}

func pings(_ context.Context, tcp net.Conn) error {
	return flood(tcp, func(f *http2.Framer, _ uint32) error { return f.WritePing(false, [8]byte{}) })
}

// slowHeaders sends a byte of a request from time to time.
func slowHeaders(ctx context.Context, tcp net.Conn) error {
	for _, b := range request("GET", "/v1/values/overload/0042", "") {
		if _, err := tcp.Write([]byte{b}); err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// halfOpen sends half of a request.
func halfOpen(_ context.Context, tcp net.Conn) error {
	whole := request("GET", "/v1/values/overload/0042", "")
	if _, err := tcp.Write(whole[:len(whole)/2]); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, tcp) // until the server closes it
	return err
}

// wrongKeys shows a quarter of 10,000 API keys a second, none of which is valid.
func wrongKeys(ctx context.Context, tcp net.Conn) error {
	wrong := bytes.Replace(request("GET", "/v1/values/overload/0042", ""), []byte(apiKey), []byte("guess"), 1)
	some := bytes.Repeat(wrong, 25)
	go func() { _, _ = io.Copy(io.Discard, tcp) }()
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	for ctx.Err() == nil {
		if _, err := tcp.Write(some); err != nil {
			return err
		}
		<-ticks.C
	}
	return nil
}

// stopReading asks for pages until the server can send no more, and reads none of it.
func stopReading(ctx context.Context, tcp net.Conn) error {
	if err := tcp.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return err
	}
	page := request("GET", "/v1/values?prefix=overload/&pageSize=1000", "")
	for range 30 {
		if _, err := tcp.Write(page); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}
