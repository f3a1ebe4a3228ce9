package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// laneCase is a way to reach a lane.
type laneCase struct {
	name string
	// server is what serves it, as the header server-stack says.
	server string
	// contentType makes an HTTP/2 request go there. Empty: the lane serves HTTP/1.1.
	contentType string
	// transport calls url on that lane.
	transport func(t *testing.T, url string) connect.Transport
}

// lanes are all lanes of a port. Suites range over them, so that a new lane is tested by a row here.
var lanes = []laneCase{
	{"gRPC", "grpc-go", grpcs, overHTTP2(connecthttp.WithGRPC())},
	{"HTTP2", "net/http", "application/grpc-web", overHTTP2(connecthttp.WithGRPCWeb())},
	{"HTTP1", "net/http", "", overHTTP1},
}

// http2Lanes are the lanes that tests reach frame by frame.
func http2Lanes() []laneCase {
	var some []laneCase
	for _, lane := range lanes {
		if lane.contentType != "" {
			some = append(some, lane)
		}
	}
	return some
}

// eachLane runs test once for each of lanes, in parallel.
func eachLane(t *testing.T, lanes []laneCase, test func(*testing.T, laneCase)) {
	for _, lane := range lanes {
		t.Run(lane.name, func(t *testing.T) {
			t.Parallel()
			test(t, lane)
		})
	}
}

func overHTTP2(option connecthttp.Option) func(*testing.T, string) connect.Transport {
	return func(t *testing.T, url string) connect.Transport {
		return connecthttp.NewTransport(wiretest.HTTPClient(t), url, option)
	}
}

func overHTTP1(t *testing.T, url string) connect.Transport {
	return connecthttp.NewTransport(http1(t), url)
}

// http1 returns a client that speaks HTTP/1.1.
func http1(t testing.TB) *http.Client {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: wiretest.ClientTLS(t)}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// Procedures of the tests.
const (
	who   = "/test.v1.Test/Who"   // says in the headers server-stack and caller what serves it, and for whom
	watch = "/test.v1.Test/Watch" // sends each value of fixture.events
	grpcs = "application/grpc"
)

var silent = slog.New(slog.DiscardHandler)

// fixture is a running server.
type fixture struct {
	addr, url string
	state     *server.State
	stop      context.CancelFunc
	done      chan error  // receives what Run returned
	events    chan string // what watches send
	opened    chan string // receives what serves a watch when it begins

	calls atomic.Int64 // how often who was called
}

// plain reports whether a test has a plain lane. Those of TestTheSameByNetHTTPAlone have none.
func plain(t *testing.T) bool { return !strings.HasPrefix(t.Name(), "TestTheSameByNetHTTPAlone/") }

// start runs a server of cfg until the test ends. Without a handler it serves the procedures who and watch, and answers
// other requests with their protocol. It has TLS if the test is one of TestTheSameOverTLS.
func start(t *testing.T, cfg server.Config) *fixture {
	t.Helper()
	s := &fixture{
		state: cfg.State, done: make(chan error, 1), events: make(chan string), opened: make(chan string, 10),
	}
	if s.state == nil {
		s.state = server.NewState()
	}
	if cfg.Handler == nil {
		cfg.Handler, cfg.RPC = s.handler()
	}
	if strings.HasPrefix(t.Name(), "TestTheSameOverTLS/") {
		cfg.TLS = wiretest.ServerTLS(t)
	}
	cfg.Plain = plain(t)
	started, ended := make(chan string, 1), make(chan struct{})
	cfg.Listen, cfg.State, cfg.Log, cfg.Started = "127.0.0.1:0", s.state, silent, func(addr string) { started <- addr }
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(ended)
		s.done <- server.Run(ctx, cfg)
	}()
	select {
	case s.addr = <-started:
	case err := <-s.done:
		t.Fatalf("Run = %v", err)
	}
	t.Cleanup(func() { stop(); <-ended })
	s.url = "http://" + s.addr
	if cfg.TLS != nil {
		s.url = "https://" + s.addr
	}
	return s
}

func (s *fixture) handler() (http.Handler, *connect.Server) {
	rpc := connect.NewServer()
	rpc.Register(
		connect.Method{Spec: connect.Spec{Procedure: who}, Handler: s.who},
		connect.Method{Spec: connect.Spec{Procedure: watch, StreamType: connect.StreamTypeServer}, Handler: s.watch},
	)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	connecthttp.Mount(mux, rpc)
	return mux, rpc
}

func serverOf(ctx context.Context) string {
	if _, ok := connecthttp.ServerInfoForContext(ctx); ok {
		return "net/http"
	}
	return "grpc-go"
}

func (s *fixture) who(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
	var req keyvaluev1.GetRequest
	if err := stream.Receive(&req); err != nil {
		return err
	}
	s.calls.Add(1)
	info, _ := connect.CallInfoForServerContext(ctx)
	info.ResponseHeader().Set("Server-Stack", serverOf(ctx))
	info.ResponseHeader().Set("Caller", info.PeerAddr)
	return stream.Send(&req)
}

func (s *fixture) watch(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
	var req keyvaluev1.GetRequest
	if err := stream.Receive(&req); err != nil {
		return err
	}
	if err := stream.SendHeaders(); err != nil {
		return err
	}
	s.opened <- serverOf(ctx)
	for {
		select {
		case key := <-s.events:
			if err := stream.Send(&keyvaluev1.GetRequest{Key: key}); err != nil {
				return err
			}
		case <-s.state.Stopping().Done():
			return connect.NewError(connect.CodeUnavailable, "the server is stopping")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wantCleanStop stops the server, if it was not, and checks that Run returns nil.
func (s *fixture) wantCleanStop(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

// callWho calls who and returns what served it.
func callWho(t *testing.T, transport connect.Transport, header ...string) string {
	t.Helper()
	server, _ := callWhoFrom(t, transport, header...)
	return server
}

// callWhoFrom calls who and returns what served it, and whom it took for the caller.
func callWhoFrom(t *testing.T, transport connect.Transport, header ...string) (server, caller string) {
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
	return info.ResponseHeader().Get("Server-Stack"), info.ResponseHeader().Get("Caller")
}

// openWatch opens a watch and checks what serves it.
func (s *fixture) openWatch(t *testing.T, transport connect.Transport, want string) connect.ClientStream {
	t.Helper()
	stream, err := connect.NewClient(transport).CallServerStream(t.Context(),
		connect.Spec{Procedure: watch, StreamType: connect.StreamTypeServer}, &keyvaluev1.GetRequest{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	if got := <-s.opened; got != want {
		t.Fatalf("the watch is served by %s, want %s", got, want)
	}
	return stream
}

// dial returns a peer that has sent the preface and SETTINGS.
func (s *fixture) dial(t *testing.T) *wiretest.Peer {
	t.Helper()
	p := wiretest.DialPeer(t, s.url)
	p.Greet()
	return p
}

// wantResponse reads until a response with the header server-stack, and checks it.
func wantResponse(t *testing.T, p *wiretest.Peer, server string) {
	t.Helper()
	for {
		header := wiretest.Next[*http2.MetaHeadersFrame](p)
		if got := wiretest.Field(header, "server-stack"); got != "" || header == nil {
			if got != server {
				t.Errorf("the request was served by %q, want %q", got, server)
			}
			return
		}
	}
}

// wantStatus reads until the response on a stream, and checks its status.
func wantStatus(t *testing.T, p *wiretest.Peer, stream uint32, want string) {
	t.Helper()
	if got := p.Outcome(stream); got != want {
		t.Errorf("stream %d ended with %q, want %s", stream, got, want)
	}
}

func headers(stream uint32, block []byte) http2.HeadersFrameParam {
	return http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}
}

var (
	// oneMinute lets calls finish when the server stops.
	oneMinute = server.Config{Drain: time.Minute}
	// settlingFast does so, but waits less for connections whose first request has not arrived.
	settlingFast = server.Config{Drain: time.Minute, Bounds: server.Bounds{SettleTimeout: 200 * time.Millisecond}}
)
