package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// LargeValue is the size of the values with the prefix large/ that peers read, and that StalledWatches writes.
const LargeValue = 1_000_000

// batchBytes is the size of the body of an unfinished batch.
const batchBytes = 6 << 20

// Trickles are peers that send a byte of a body each second.
func Trickles() Kind {
	return Kind{"bodies, a byte each second", 500, func(ctx context.Context, tcp net.Conn) error {
		if _, err := tcp.Write(head("PUT", "/v1/values/trickle", 1<<20)); err != nil {
			return err
		}
		for {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil
			}
			if _, err := tcp.Write([]byte("x")); err != nil {
				return err
			}
		}
	}}
}

// head returns a request whose body of size bytes is still to come.
func head(method, target string, size int) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		method, target, APIKey, size)
}

// UnfinishedBatches are peers that send all of a batch but its end.
func UnfinishedBatches() Kind {
	return Kind{"unfinished batches of 6 MiB", 200, func(ctx context.Context, tcp net.Conn) error {
		if _, err := tcp.Write(head("POST", "/v1/values:batch", batchBytes)); err != nil {
			return err
		}
		if _, err := io.CopyN(tcp, repeated{}, batchBytes-1); err != nil {
			return err
		}
		return wait(ctx, tcp)
	}}
}

// repeated reads as spaces without end, as JSON may.
type repeated struct{}

func (repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// wait waits until ctx is done or the server closes the connection.
func wait(ctx context.Context, tcp net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = tcp.Close() })()
	_, err := io.Copy(io.Discard, tcp)
	return err
}

// StalledLists are peers that request a page of 8 MB and do not read it.
func StalledLists() Kind {
	return Kind{"stalled lists of 8 MB", 40, func(ctx context.Context, tcp net.Conn) error {
		return unread(ctx, tcp, Request("GET", "/v1/values?prefix=large/&pageSize=1000", ""))
	}}
}

// unread sends a request and reads nothing.
func unread(ctx context.Context, tcp net.Conn, request []byte) error {
	if err := tcp.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return err
	}
	if _, err := tcp.Write(request); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// StalledWatches are peers that watch and do not read, while the first of them writes large values.
func StalledWatches() Kind { return stalledWatches("stalled watches, 1 MB values put", 60, LargeValue) }

// ManyStalledWatches are the same with values so small that they do not count as in flight.
func ManyStalledWatches() Kind {
	return stalledWatches("2,000 stalled watches, 1 kB put", 2000, 1000)
}

func stalledWatches(name string, peers, size int) Kind {
	var first atomic.Bool
	value := Request("PUT", "/v1/values/watched/0", `{"value":"`+strings.Repeat("x", size)+`"}`)
	return Kind{name, peers, func(ctx context.Context, tcp net.Conn) error {
		if first.Swap(true) {
			return unread(ctx, tcp, Request("GET", "/v1/values:watch?prefix=watched/", ""))
		}
		defer first.Store(false)
		go func() { _, _ = io.Copy(io.Discard, tcp) }()
		for range 500 {
			if _, err := tcp.Write(value); err != nil {
				return err
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return nil
			}
		}
		return wait(ctx, tcp)
	}}
}

// UnfinishedMessages are gRPC peers that send all of a message but its end, on as many streams as they may.
func UnfinishedMessages() Kind {
	return Kind{"unfinished gRPC messages of 1 MB", 6, func(ctx context.Context, tcp net.Conn) error {
		client := overHTTP2(tcp)
		defer client.CloseIdleConnections()
		failed := make(chan error, 10)
		for range cap(failed) {
			go func() { failed <- unfinished(ctx, client, tcp.RemoteAddr().String()) }()
		}
		for range cap(failed) {
			if err := <-failed; err != nil {
				return err
			}
		}
		return nil
	}}
}

func unfinished(ctx context.Context, client *http.Client, addr string) error {
	prefix := binary.BigEndian.AppendUint32([]byte{0}, LargeValue)
	body := io.MultiReader(strings.NewReader(string(prefix)), io.LimitReader(repeated{}, LargeValue-1), until{ctx})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/keyvalue.v1.KeyValueService/Set", body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	r.Header.Set("X-Api-Key", APIKey)
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// until reads nothing until its context is done.
type until struct{ context.Context }

func (u until) Read([]byte) (int, error) {
	<-u.Done()
	return 0, u.Err()
}

// IdleConnections are peers that make a request and no other, half of them over HTTP/2.
func IdleConnections() Kind {
	var count atomic.Int32
	return Kind{"idle connections", 5000, func(ctx context.Context, tcp net.Conn) error {
		request := Request("GET", "/v1/values/overload/0042", "")
		if count.Add(1)%2 == 0 {
			var frames bytes.Buffer
			frames.WriteString(http2.ClientPreface)
			f := http2.NewFramer(&frames, nil)
			_ = f.WriteSettings() // a buffer returns no error, here and below
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers(), EndHeaders: true, EndStream: true})
			request = frames.Bytes()
		}
		if _, err := tcp.Write(request); err != nil {
			return err
		}
		return wait(ctx, tcp)
	}}
}
