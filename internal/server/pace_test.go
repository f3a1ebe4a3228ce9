package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/server"
	"key-value/internal/server/lane"
	"key-value/internal/testkit/wiretest"
)

// slowConn is a client's connection that moves bytes at a rate, after the first few. Writes return at once, because a
// bubble's time stands still while a goroutine waits for another one's mutex.
type slowConn struct {
	net.Conn
	reads, writes throttle
	queue         chan []byte // to write
	closed        chan struct{}
	close         func()
}

func newSlowConn(conn net.Conn, reads, writes throttle) *slowConn {
	closed := make(chan struct{})
	c := &slowConn{
		Conn: conn, reads: reads, writes: writes, queue: make(chan []byte, 1000),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}
	go c.pump()
	return c
}

// throttle makes n bytes a second of what moves, in steps of a tenth of a second or one byte.
type throttle struct {
	rate int // in bytes a second; zero: no limit
	free int // bytes that move at once
}

func (t *throttle) step(p []byte) []byte {
	if t.rate == 0 {
		return p
	}
	return p[:min(len(p), max(t.free, t.rate/10, 1))]
}

func (t *throttle) moved(n int) {
	if t.rate == 0 {
		return
	}
	spared := min(n, t.free)
	t.free -= spared
	time.Sleep(time.Duration(n-spared) * time.Second / time.Duration(t.rate))
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(c.reads.step(p))
	c.reads.moved(n)
	return n, err
}

func (c *slowConn) Write(p []byte) (int, error) {
	select {
	case c.queue <- bytes.Clone(p):
		return len(p), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// pump writes what is queued until the connection is closed.
func (c *slowConn) pump() {
	for {
		select {
		case p := <-c.queue:
			for len(p) > 0 {
				n, err := c.Conn.Write(c.writes.step(p))
				if err != nil {
					_ = c.Close()
					return
				}
				c.writes.moved(n)
				p = p[n:]
			}
		case <-c.closed:
			return
		}
	}
}

func (c *slowConn) Close() error {
	c.close()
	return c.Conn.Close()
}

// handshake is enough for what precedes a body: TLS, SETTINGS and headers.
const handshake = 8 << 10

// paceLanes are the lanes as clients reach them over one connection.
var paceLanes = []struct {
	name      string
	http2     bool
	transport func(client *http.Client, url string) connect.Transport
}{
	{"gRPC", true, func(c *http.Client, url string) connect.Transport {
		return connecthttp.NewTransport(c, url, connecthttp.WithGRPC())
	}},
	{"HTTP2", true, func(c *http.Client, url string) connect.Transport {
		return connecthttp.NewTransport(c, url, connecthttp.WithGRPCWeb())
	}},
	{"HTTP1", false, func(c *http.Client, url string) connect.Transport { return connecthttp.NewTransport(c, url) }},
}

// atPace runs test in fake time for each lane, without and with TLS, with a transport over a connection that reads and
// writes so slowly. The procedure watch is served by handler.
func atPace(t *testing.T, reads, writes throttle, handler connect.ServerFunc, test func(*testing.T, connect.Transport)) {
	t.Parallel()
	certificates, trust, now := wiretest.ServerTLS(t), wiretest.ClientTLS(t).Clone(), time.Now()
	trust.Time = func() time.Time { return now } // not the bubble's
	for _, lane := range paceLanes {
		for _, secure := range []bool{false, true} {
			name, scheme, cfg := lane.name, "http", server.Config{RPC: connect.NewServer()}
			if secure {
				name, scheme, cfg.TLS = name+" over TLS", "https", certificates
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					cfg.RPC.Register(connect.Method{
						Spec: connect.Spec{Procedure: watch, StreamType: connect.StreamTypeServer}, Handler: handler,
					})
					mux := http.NewServeMux()
					connecthttp.Mount(mux, cfg.RPC, connecthttp.WithCompressors()) // as rpc does
					cfg.Handler, cfg.Plain = mux, plain(t)
					conn, peer := net.Pipe()
					stop := server.ServeOn(&pipe{server: peer, taken: make(chan struct{})}, cfg)
					slow := newSlowConn(conn, reads, writes)
					protocols := new(http.Protocols)
					protocols.SetHTTP1(!lane.http2)
					protocols.SetHTTP2(lane.http2 && secure)
					protocols.SetUnencryptedHTTP2(lane.http2 && !secure)
					client := &http.Client{Transport: &http.Transport{
						DialContext:     func(context.Context, string, string) (net.Conn, error) { return slow, nil },
						Protocols:       protocols,
						TLSClientConfig: trust.Clone(), // the transport changes it
					}}
					test(t, lane.transport(client, scheme+"://127.0.0.1"))
					_ = slow.Close()
					client.CloseIdleConnections()
					stop()
					time.Sleep(time.Minute) // whatever still waits ends
				})
			})
		}
	}
}

// callWatch calls watch with a key, and returns how many bytes of keys it got.
func callWatch(ctx context.Context, transport connect.Transport, key string) (n int, err error) {
	stream, err := connect.NewClient(transport).CallServerStream(ctx,
		connect.Spec{Procedure: watch, StreamType: connect.StreamTypeServer}, &keyvaluev1.GetRequest{Key: key})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	for {
		var res keyvaluev1.GetRequest
		if err := stream.Receive(&res); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		n += len(res.GetKey())
	}
}

func TestABodyThatIsSlowButSteadyIsRead(t *testing.T) {
	const size = 1 << 20
	read := func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
		var req keyvaluev1.GetRequest
		if err := stream.Receive(&req); err != nil {
			return err
		}
		return stream.Send(&keyvaluev1.GetRequest{Key: strings.Repeat("x", len(req.GetKey())/1024)})
	}
	atPace(t, throttle{}, throttle{rate: 25_000}, read, func(t *testing.T, transport connect.Transport) {
		start := time.Now()
		n, err := callWatch(t.Context(), transport, strings.Repeat("x", size))
		if n != size/1024 || err != nil {
			t.Errorf("the server read %d KiB of 1 MiB at 25 kB/s in %v: %v", n, time.Since(start), err)
		}
	})
}

func TestAReaderThatIsSlowButSteadyGetsAll(t *testing.T) {
	const size = 4_000_000 // nearly the longest that clients accept
	write := func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
		for range 3 { // grpc-go takes the first message without waiting
			if err := stream.Send(&keyvaluev1.GetRequest{Key: strings.Repeat("x", size)}); err != nil {
				return err
			}
		}
		return stream.Send(&keyvaluev1.GetRequest{})
	}
	atPace(t, throttle{rate: 100_000}, throttle{}, write, func(t *testing.T, transport connect.Transport) {
		start := time.Now()
		n, err := callWatch(t.Context(), transport, "")
		if n != 3*size || err != nil {
			t.Errorf("a reader of 100 kB/s got %d bytes of %d in %v: %v", n, 3*size, time.Since(start), err)
		}
	})
}

// belowRate are rates below the least one, in bytes a second.
var belowRate = map[string]int{"a byte a second": 1, "a quarter of the least rate": lane.DefaultTransferRate / 4}

// wantGivenUp checks when the server stopped waiting for a peer that was too slow.
func wantGivenUp(t *testing.T, err error, took time.Duration) {
	if err == nil || took < 25*time.Second || took > time.Minute {
		t.Errorf("the handler got %v after %v, want an error after half a minute", err, took)
	}
}

func TestASenderBelowTheLeastRateIsGivenUp(t *testing.T) {
	for name, rate := range belowRate {
		t.Run(name, func(t *testing.T) {
			read := func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
				start := time.Now()
				err := stream.Receive(&keyvaluev1.GetRequest{})
				wantGivenUp(t, err, time.Since(start))
				if connect.CodeOf(err) != connect.CodeDeadlineExceeded {
					t.Errorf("the handler got %v, want deadline_exceeded", err)
				}
				return err
			}
			atPace(t, throttle{}, throttle{rate: rate, free: handshake}, read, func(t *testing.T, transport connect.Transport) {
				if _, err := callWatch(t.Context(), transport, strings.Repeat("x", 1<<20)); err == nil {
					t.Error("the call succeeded")
				}
			})
		})
	}
}

func TestAReaderBelowTheLeastRateIsGivenUp(t *testing.T) {
	for name, rate := range belowRate {
		t.Run(name, func(t *testing.T) {
			write := func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
				start := time.Now()
				for {
					if err := stream.Send(&keyvaluev1.GetRequest{Key: strings.Repeat("x", 1<<20)}); err != nil {
						wantGivenUp(t, err, time.Since(start))
						return err
					}
				}
			}
			atPace(t, throttle{rate: rate, free: handshake}, throttle{}, write, func(t *testing.T, transport connect.Transport) {
				if _, err := callWatch(t.Context(), transport, ""); err == nil {
					t.Error("the call succeeded")
				}
			})
		})
	}
}
