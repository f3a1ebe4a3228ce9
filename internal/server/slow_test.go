package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// peerInFakeTime serves handler as the procedure watch on one connection, in a bubble where minutes pass at once.
func peerInFakeTime(t *testing.T, handler connect.ServerFunc, test func(t *testing.T, p *wiretest.Peer)) {
	synctest.Test(t, func(t *testing.T) {
		rpc := connect.NewServer()
		rpc.Register(connect.Method{
			Spec: connect.Spec{Procedure: watch, StreamType: connect.StreamTypeServer}, Handler: handler,
		})
		mux := http.NewServeMux()
		connecthttp.Mount(mux, rpc)
		client, peer := net.Pipe()
		stop := server.ServeOn(&pipe{server: peer, taken: make(chan struct{})}, server.Config{Handler: mux, RPC: rpc, Plain: plain(t)})
		test(t, wiretest.NewPeer(t, client))
		_ = client.Close()
		stop()
	})
}

// follow calls write, and meanwhile reads what the server sends until it closes the connection. It calls seen with every
// frame, and answers PING once write has returned.
func follow(p *wiretest.Peer, write func(*wiretest.Peer), seen func(http2.Frame)) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		write(p)
	}()
	defer func() { <-written }()
	for {
		frame, err := p.ReadFrame()
		if err != nil {
			return
		}
		if ping, ok := frame.(*http2.PingFrame); ok && !ping.IsAck() {
			<-written
			_ = p.WritePing(true, ping.Data)
		}
		seen(frame)
	}
}

func ignore(http2.Frame) {}

// request returns a function that writes a complete call of watch.
func request(contentType string) func(*wiretest.Peer) {
	return func(p *wiretest.Peer) {
		p.Greet()
		p.Request(1, p.Post(watch, contentType), wiretest.Message(nil))
	}
}

func unused(context.Context, connect.Spec, connect.ServerStream) error { return nil }

func TestAStalledConnectionIsClosed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write func(p *wiretest.Peer)
		want  time.Duration
	}{
		"nothing":        {func(*wiretest.Peer) {}, 10 * time.Second},
		"half a preface": {func(p *wiretest.Peer) { _, _ = io.WriteString(p.Conn, http2.ClientPreface[:10]) }, 10 * time.Second},
		"no request":     {func(p *wiretest.Peer) { p.Greet() }, server.DefaultIdleTimeout},
		"half a header block": {func(p *wiretest.Peer) {
			p.Greet()
			p.Must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}))
		}, 10 * time.Second},
		"one gRPC request":  {request(grpcs), server.DefaultIdleTimeout},
		"one other request": {request("application/grpc-web"), server.DefaultIdleTimeout},
		"a byte a second": {func(p *wiretest.Peer) {
			for _, b := range []byte(http2.ClientPreface) {
				time.Sleep(time.Second)
				if _, err := p.Conn.Write([]byte{b}); err != nil {
					return
				}
			}
		}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			peerInFakeTime(t, unused, func(t *testing.T, p *wiretest.Peer) {
				start := time.Now()
				follow(p, test.write, ignore)
				if took := time.Since(start); took < test.want || took > test.want+20*time.Second {
					t.Errorf("the connection was closed after %v, want %v", took, test.want)
				}
			})
		})
	}
}

func TestAStalledGRPCMessageTimesOut(t *testing.T) {
	t.Parallel()
	var failed error
	handler := func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
		failed = stream.Receive(&keyvaluev1.GetRequest{})
		return failed
	}
	peerInFakeTime(t, handler, func(t *testing.T, p *wiretest.Peer) {
		start := time.Now()
		status, at := "", time.Duration(0)
		follow(p, func(p *wiretest.Peer) {
			p.Greet()
			p.Must(p.WriteHeaders(headers(1, p.Post(watch, grpcs))))
			p.Must(p.WriteData(1, false, []byte{0, 0, 0, 0, 9, 'x'}))
		}, func(f http2.Frame) {
			if header, ok := f.(*http2.MetaHeadersFrame); ok {
				status, at = wiretest.Field(header, "grpc-status"), time.Since(start)
			}
		})
		if status != "4" || at < 30*time.Second || at > time.Minute {
			t.Errorf("the call ended with grpc-status %q after %v, want 4 after half a minute", status, at)
		}
	})
	if connect.CodeOf(failed) != connect.CodeDeadlineExceeded {
		t.Errorf("the handler got %v, want deadline_exceeded", failed)
	}
}

// sendUntilError sends until it fails, and stores how long the last message waited.
func sendUntilError(waited *time.Duration) connect.ServerFunc {
	return func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
		for {
			start := time.Now()
			if err := stream.Send(&keyvaluev1.GetRequest{Key: string(make([]byte, 4<<10))}); err != nil {
				*waited = time.Since(start)
				return err
			}
		}
	}
}

func TestAReaderOfAStreamThatStopsReadingTimesOut(t *testing.T) {
	t.Parallel()
	for how, follows := range map[string]bool{"the stream": true, "the connection": false} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
				var waited time.Duration
				peerInFakeTime(t, sendUntilError(&waited), func(_ *testing.T, p *wiretest.Peer) {
					if follows { // but sends no WINDOW_UPDATE
						go follow(p, request(lane.contentType), ignore)
					} else {
						go request(lane.contentType)(p)
						for range 10 {
							_, _ = p.ReadFrame()
						}
					}
					time.Sleep(10 * time.Minute) // in the bubble
				})
				if waited == 0 || waited > time.Minute {
					t.Errorf("Send failed after %v, want it within a minute", waited)
				}
			})
		})
	}
}

func TestAGRPCStreamMayBeSilentForHours(t *testing.T) {
	t.Parallel()
	handler := func(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
		if err := stream.Receive(&keyvaluev1.GetRequest{}); err != nil {
			return err
		}
		for range 3 {
			if err := stream.Send(&keyvaluev1.GetRequest{Key: "event"}); err != nil {
				return err
			}
			select {
			case <-time.After(5 * time.Hour):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	peerInFakeTime(t, handler, func(t *testing.T, p *wiretest.Peer) {
		events, status := 0, ""
		follow(p, request(grpcs), func(f http2.Frame) {
			if _, ok := f.(*http2.DataFrame); ok {
				events++
			}
			if header, ok := f.(*http2.MetaHeadersFrame); ok && header.StreamEnded() {
				status = wiretest.Field(header, "grpc-status")
			}
		})
		if events != 3 || status != "0" {
			t.Errorf("the stream had %d events and ended with grpc-status %q, want 3 and 0", events, status)
		}
	})
}
