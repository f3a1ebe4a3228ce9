package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/server"
	"key-value/internal/server/lane"
	"key-value/internal/testkit/wiretest"
)

const (
	who   = "/test.v1.Test/Who"   // says in the header server-stack who serves it
	watch = "/test.v1.Test/Watch" // answers each value sent to its channel
	grpcs = "application/grpc"
)

// both is a server of both stacks on one port.
type both struct {
	url    string
	state  *server.State
	stop   context.CancelFunc
	done   chan error  // what Run returned
	events chan string // what watches send
	opened chan string // a value for each watch that began

	answers atomic.Int64 // how often who was called
}

func startBoth(t *testing.T, drain time.Duration) *both {
	t.Helper()
	if overTLS(t) {
		return startBothWith(t, drain, wiretest.ServerTLS(t))
	}
	return startBothWith(t, drain, nil)
}

func startBothWith(t *testing.T, drain time.Duration, config *tls.Config) *both {
	t.Helper()
	b := &both{state: server.NewState(), done: make(chan error, 1), events: make(chan string), opened: make(chan string, 10)}
	rpc := connect.NewServer()
	rpc.Register(
		connect.Method{Spec: connect.Spec{Procedure: who}, Handler: b.who},
		connect.Method{Spec: connect.Spec{Procedure: watch, StreamType: connect.StreamTypeServer}, Handler: b.watch},
	)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	connecthttp.Mount(mux, rpc)
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	started, ended := make(chan string, 1), make(chan struct{})
	t.Cleanup(func() { stop(); <-ended })
	cfg := server.Config{
		Listen: "127.0.0.1:0", Handler: mux, RPC: rpc, Bounds: lane.Bounds{MessageBytes: 1 << 20},
		State: b.state, Drain: drain, Log: silent, TLS: config, Started: func(addr string) { started <- addr },
	}
	scheme := "http://"
	if config != nil {
		scheme = "https://"
	}
	go func() {
		defer close(ended)
		b.done <- server.Run(ctx, cfg)
	}()
	b.url = scheme + <-started
	return b
}

func stack(ctx context.Context) string {
	if _, ok := connecthttp.ServerInfoForContext(ctx); ok {
		return "net/http"
	}
	return "grpc-go"
}

func (b *both) who(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
	var req keyvaluev1.GetRequest
	if err := stream.Receive(&req); err != nil {
		return err
	}
	b.answers.Add(1)
	info, _ := connect.CallInfoForServerContext(ctx)
	info.ResponseHeader().Set("Server-Stack", stack(ctx))
	return stream.Send(&req)
}

func (b *both) watch(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
	var req keyvaluev1.GetRequest
	if err := stream.Receive(&req); err != nil {
		return err
	}
	if err := stream.SendHeaders(); err != nil {
		return err
	}
	b.opened <- stack(ctx)
	for {
		select {
		case key := <-b.events:
			if err := stream.Send(&keyvaluev1.GetRequest{Key: key}); err != nil {
				return err
			}
		case <-b.state.Stopping().Done():
			return connect.NewError(connect.CodeUnavailable, "the server stops")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// askWho makes a call and returns who served it.
func askWho(t *testing.T, transport connect.Transport, header ...string) string {
	t.Helper()
	ctx, info := connect.NewClientContext(t.Context())
	for i := 0; i+1 < len(header); i += 2 {
		info.RequestHeader().Set(header[i], header[i+1])
	}
	var res keyvaluev1.GetRequest
	err := connect.NewClient(transport).CallUnary(ctx, connect.Spec{Procedure: who}, &keyvaluev1.GetRequest{Key: "a"}, &res)
	if err != nil || res.GetKey() != "a" {
		t.Errorf("the call = %q, %v", res.GetKey(), err)
	}
	return info.ResponseHeader().Get("Server-Stack")
}

// dial returns a peer that has greeted the server.
func (b *both) dial(t *testing.T) *wiretest.Peer {
	p := wiretest.DialPeer(t, b.url)
	p.Greet()
	return p
}

// wantAnswer reads the answer to a request and says who gave it.
func wantAnswer(t *testing.T, p *wiretest.Peer, want string) {
	t.Helper()
	for {
		header := wiretest.Next[*http2.MetaHeadersFrame](p)
		if got := wiretest.Field(header, "server-stack"); got != "" || header == nil {
			if got != want {
				t.Errorf("the request was served by %q, want %q", got, want)
			}
			return
		}
	}
}

func headers(stream uint32, block []byte) http2.HeadersFrameParam {
	return http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}
}
