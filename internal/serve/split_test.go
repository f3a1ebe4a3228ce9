package serve_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/serve"
	"key-value/internal/wiretest"
)

const (
	who   = "/test.v1.Test/Who"   // says in the header server-stack who serves it
	watch = "/test.v1.Test/Watch" // answers each value sent to its channel
	grpcs = "application/grpc"
)

// both is a server of both stacks on one port.
type both struct {
	url    string
	state  *serve.State
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
	b := &both{state: serve.NewState(), done: make(chan error, 1), events: make(chan string), opened: make(chan string, 10)}
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
	cfg := serve.Config{
		Listen: "127.0.0.1:0", Handler: mux, RPC: &serve.RPC{Server: rpc, RequestBytes: 1 << 20},
		State: b.state, Drain: drain, Log: silent, TLS: config, Started: func(addr string) { started <- addr },
	}
	scheme := "http://"
	if config != nil {
		scheme = "https://"
	}
	go func() {
		defer close(ended)
		b.done <- serve.Run(ctx, cfg)
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

func TestEachClientIsServedByTheRightServer(t *testing.T) {
	b := startBoth(t, time.Minute)
	http1 := &http.Client{Transport: &http.Transport{TLSClientConfig: wiretest.ClientTLS(t)}}
	t.Cleanup(http1.CloseIdleConnections)
	for _, test := range []struct {
		name   string
		client *http.Client
		option connecthttp.Option
		header []string
		want   string
	}{
		{"gRPC", wiretest.HTTPClient(t), connecthttp.WithGRPC(), nil, "grpc-go"},
		{"gRPC through a proxy", wiretest.HTTPClient(t), connecthttp.WithGRPC(), []string{"X-Forwarded-For", "192.0.2.1"}, "net/http"},
		{"gRPC-Web", wiretest.HTTPClient(t), connecthttp.WithGRPCWeb(), nil, "net/http"},
		{"gRPC-Web by HTTP/1.1", http1, connecthttp.WithGRPCWeb(), nil, "net/http"},
		{"Connect", wiretest.HTTPClient(t), connecthttp.WithSendCodec("proto"), nil, "net/http"},
		{"Connect by HTTP/1.1", http1, connecthttp.WithSendCodec("json"), nil, "net/http"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 3 {
				if got := askWho(t, connecthttp.NewTransport(test.client, b.url, test.option), test.header...); got != test.want {
					t.Errorf("it was served by %s, want %s", got, test.want)
				}
			}
		})
	}
	var header metadata.MD
	err := wiretest.GRPC(t, b.url).Invoke(t.Context(), who, &keyvaluev1.GetRequest{}, &keyvaluev1.GetRequest{}, grpc.Header(&header))
	if err != nil || !slices.Equal(header.Get("server-stack"), []string{"grpc-go"}) {
		t.Errorf("grpc-go's own client was served by %v, %v", header, err)
	}
}

// A program may use one http.Client for all it asks of a server.
func TestAClientThatBeginsWithGRPCMayAskForMore(t *testing.T) {
	b := startBoth(t, time.Minute)
	client := wiretest.HTTPClient(t)
	transport := connecthttp.NewTransport(client, b.url, connecthttp.WithGRPC())
	stream, err := connect.NewClient(transport).CallServerStream(t.Context(),
		connect.Spec{Procedure: watch, StreamType: connect.StreamTypeServer}, &keyvaluev1.GetRequest{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	if got := <-b.opened; got != "grpc-go" {
		t.Fatalf("the stream is served by %s, want grpc-go", got)
	}
	res, err := client.Post(b.url+"/other", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatalf("another request: %v", err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusOK || string(body) != "HTTP/2.0" {
		t.Errorf("another request got %d %q", res.StatusCode, body)
	}
	b.events <- "still there"
	var event keyvaluev1.GetRequest
	if err := stream.Receive(&event); err != nil || event.GetKey() != "still there" {
		t.Errorf("the stream that was open got %q, %v", event.GetKey(), err)
	}
	if got := askWho(t, transport); got != "net/http" {
		t.Errorf("gRPC behind the other request was served by %s, want net/http, which has the new connection", got)
	}
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

func TestARequestMayComeInAnyPieces(t *testing.T) {
	b := startBoth(t, time.Minute)
	for _, test := range []struct{ contentType, body, want string }{
		{grpcs, "\x00\x00\x00\x00\x00", "grpc-go"}, {"application/proto", "", "net/http"},
	} {
		t.Run(test.want+" byte by byte", func(t *testing.T) {
			whole, client := recorded(t, func(p *wiretest.Peer) {
				p.Greet()
				p.Request(1, p.Post(who, test.contentType), []byte(test.body))
			}), wiretest.DialPeer(t, b.url)
			for i := range whole {
				if _, err := client.Conn.Write(whole[i : i+1]); err != nil {
					t.Fatal(err)
				}
			}
			wantAnswer(t, client, test.want)
		})
		t.Run(test.want+" with padding, priority and continuations", func(t *testing.T) {
			p := b.dial(t)
			p.Must(p.WriteWindowUpdate(0, 1<<16))
			p.Must(p.WritePriority(3, http2.PriorityParam{Weight: 7}))
			p.Must(p.WriteRawFrame(0xbe, 0, 0, []byte("unknown frames are ignored")))
			block := p.Post(who, test.contentType, "x-long", strings.Repeat("x", 1000))
			p.Must(p.WriteHeaders(http2.HeadersFrameParam{
				StreamID: 1, BlockFragment: block[:3], PadLength: 9, Priority: http2.PriorityParam{Weight: 1, StreamDep: 3},
			}))
			p.Must(p.WriteContinuation(1, false, block[3:50]))
			p.Must(p.WriteContinuation(1, true, block[50:]))
			p.Must(p.WriteDataPadded(1, true, []byte(test.body), make([]byte, 5)))
			wantAnswer(t, p, test.want)
		})
	}
}

// recorded returns what a peer writes.
func recorded(t *testing.T, write func(*wiretest.Peer)) []byte {
	client, server := net.Pipe()
	all := make(chan []byte, 1)
	go func() {
		data, _ := io.ReadAll(server)
		all <- data
	}()
	write(wiretest.NewPeer(t, client))
	_ = client.Close()
	return <-all
}

// grpc-go's client sends nothing before it has seen the server's SETTINGS, and every client acknowledges them.
func TestAClientMayWaitForTheServer(t *testing.T) {
	b := startBoth(t, time.Minute)
	for contentType, want := range map[string]string{grpcs: "grpc-go", "application/grpc-web": "net/http"} {
		t.Run(want, func(t *testing.T) {
			p := b.dial(t)
			settings := wiretest.Next[*http2.SettingsFrame](p) // acknowledged by Next
			if n, ok := settings.Value(http2.SettingMaxConcurrentStreams); !ok || n != 1000 {
				t.Errorf("the server allows %d streams", n)
			}
			p.Must(p.WritePing(false, [8]byte{1, 2, 3}))
			if ping := wiretest.Next[*http2.PingFrame](p); ping == nil || !ping.IsAck() || ping.Data != [8]byte{1, 2, 3} {
				t.Errorf("PING was answered by %v", ping)
			}
			for stream := uint32(1); stream < 6; stream += 2 {
				p.Request(stream, p.Post(who, contentType), wiretest.Message(nil))
				wantAnswer(t, p, want)
			}
		})
	}
}

func TestWhatIsNotGRPCIsRefusedWithoutBeingLookedAt(t *testing.T) {
	b := startBoth(t, time.Minute)
	p := b.dial(t)
	p.Request(1, p.Post(watch, grpcs, "x-first", "in the table of both sides"), wiretest.Message(nil))
	<-b.opened
	p.Request(3, p.Post(who, "application/proto", "x-second", "in that of the client alone"), nil)
	away := wiretest.Next[*http2.GoAwayFrame](p)
	if away == nil || away.LastStreamID != 1<<31-1 || away.ErrCode != http2.ErrCodeNo {
		t.Fatalf("the other request was answered by %v, want GOAWAY that cuts off nothing", away)
	}
	for _, stream := range []uint32{3, 5} {
		if stream == 5 { // was under way before GOAWAY came
			p.Request(5, p.Block(":method", "GET", ":scheme", "http", ":authority", "test", ":path", "/"), nil)
		}
		reset := wiretest.Next[*http2.RSTStreamFrame](p)
		if reset == nil || reset.StreamID != stream || reset.ErrCode != http2.ErrCodeRefusedStream {
			t.Fatalf("stream %d got %v, want REFUSED_STREAM", stream, reset)
		}
	}
	p.Request(7, p.Post(who, grpcs, "x-first", "in the table of both sides", "x-second", "in that of the client alone",
		"x-long", strings.Repeat("x", 15<<10)), wiretest.Message(nil))
	wantAnswer(t, p, "grpc-go")
	b.events <- "still there"
	for {
		data := wiretest.Next[*http2.DataFrame](p)
		if data == nil {
			t.Fatal("the stream under way ended")
		}
		if data.StreamID == 1 {
			break
		}
	}
}

// Some requests have no better answer than grpc-go's, so they are not worth a new connection.
func TestWhatNobodyServesIsAnsweredByGRPC(t *testing.T) {
	b := startBoth(t, time.Minute)
	p := b.dial(t)
	p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	wantAnswer(t, p, "grpc-go")
	p.Request(3, p.Post("/", "text/plain", "te", "trailers"), nil) // which only gRPC clients say
	p.Request(5, p.Post(who, "image/jpeg"), nil)
	for answers := 0; answers < 2; {
		header := wiretest.Next[*http2.MetaHeadersFrame](p)
		if header == nil {
			t.Fatal("the connection ended")
		}
		if header.StreamID == 1 {
			continue // its trailers
		}
		answers++
		if got := wiretest.Field(header, ":status"); got != "415" {
			t.Errorf("stream %d got status %s, want 415", header.StreamID, got)
		}
	}
}

// In many fields or in one, first on the connection or later.
func TestAHeaderListOver16KiBIsRefused(t *testing.T) {
	b := startBoth(t, time.Minute)
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprint("x-", i), strings.Repeat("x", 50))
	}
	for name, fields := range map[string][]string{"many fields": many, "one field": {"x-long", strings.Repeat("~", 20<<10)}} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", later: ", later), func(t *testing.T) {
				p := b.dial(t)
				stream := uint32(1)
				if later {
					p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
					wantAnswer(t, p, "grpc-go")
					stream = 3
				}
				before := b.answers.Load()
				block := p.Post(who, grpcs, fields...)
				// The server may have closed the connection before all is written.
				_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:100]})
				for part := range slices.Chunk(block[100:], 16<<10) {
					_ = p.WriteContinuation(stream, false, part)
				}
				_ = p.WriteContinuation(stream, true, nil)
				_ = p.WriteData(stream, true, wiretest.Message(nil))
				if got := p.Outcome(stream); got == "200" || b.answers.Load() != before {
					t.Errorf("the request was answered with %s, want it refused", got)
				}
			})
		}
	}
}

func TestAConnectionMayEndInAnyWay(t *testing.T) {
	b := startBoth(t, time.Minute)
	preface := http2.ClientPreface
	for name, write := range map[string]func(*wiretest.Peer){
		"nothing":             func(*wiretest.Peer) {},
		"half a preface":      func(p *wiretest.Peer) { _, _ = io.WriteString(p.Conn, preface[:10]) },
		"a wrong preface":     func(p *wiretest.Peer) { _, _ = io.WriteString(p.Conn, preface[:20]+"xxxxxxxx") },
		"no SETTINGS":         func(p *wiretest.Peer) { _, _ = io.WriteString(p.Conn, preface); _ = p.WritePing(false, [8]byte{}) },
		"SETTINGS alone":      func(p *wiretest.Peer) { p.Greet() },
		"an ACK for nothing":  func(p *wiretest.Peer) { p.Greet(); _ = p.WriteSettingsAck(); _ = p.WriteSettingsAck() },
		"RST_STREAM first":    func(p *wiretest.Peer) { p.Greet(); _ = p.WriteRSTStream(1, http2.ErrCodeCancel) },
		"DATA first":          func(p *wiretest.Peer) { p.Greet(); _ = p.WriteData(1, true, nil) },
		"CONTINUATION first":  func(p *wiretest.Peer) { p.Greet(); _ = p.WriteContinuation(1, true, nil) },
		"GOAWAY first":        func(p *wiretest.Peer) { p.Greet(); _ = p.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"HEADERS of stream 0": func(p *wiretest.Peer) { p.Greet(); _ = p.WriteHeaders(headers(0, p.Post(who, grpcs))) },
		"HEADERS of stream 2": func(p *wiretest.Peer) { p.Greet(); _ = p.WriteHeaders(headers(2, p.Post(who, grpcs))) },
		"a frame of 16 MiB":   func(p *wiretest.Peer) { p.Greet(); _, _ = p.Conn.Write([]byte{255, 255, 255, 4, 0, 0, 0, 0, 0}) },
		"a header block that is none": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(headers(1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}))
		},
		"padding without end": func(p *wiretest.Peer) { p.Greet(); _ = p.WriteRawFrame(http2.FrameHeaders, 0xc, 1, []byte{255, 1}) },
		"half a header block": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		},
		"PING within a block": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			_ = p.WritePing(false, [8]byte{})
		},
		"CONTINUATION without end": func(p *wiretest.Peer) {
			p.Greet()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			for range 100 {
				_ = p.WriteContinuation(1, false, make([]byte, 16<<10))
			}
		},
		"SETTINGS without end": func(p *wiretest.Peer) {
			p.Greet()
			for range 100_000 {
				_ = p.WriteSettings()
			}
		},
		"PING without end": func(p *wiretest.Peer) {
			p.Greet()
			for range 100_000 {
				_ = p.WritePing(false, [8]byte{})
			}
		},
		"a bad frame on a connection of grpc-go": func(p *wiretest.Peer) {
			p.Greet()
			p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
			_ = p.WriteHeaders(headers(3, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}))
		},
		"a header list of 1 MiB on a connection of grpc-go": func(p *wiretest.Peer) {
			p.Greet()
			p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.Post(who, grpcs)})
			for range 64 {
				_ = p.WriteContinuation(3, false, make([]byte, 16<<10))
			}
		},
		"rapid reset": func(p *wiretest.Peer) {
			p.Greet()
			for i := range uint32(10_000) {
				_ = p.WriteHeaders(headers(2*i+1, p.Post(who, grpcs)))
				_ = p.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := wiretest.DialPeer(t, b.url)
			// What the server says must be read, or a flood would wait for the peer rather than the server.
			go func() { _, _ = io.Copy(io.Discard, p.Conn) }()
			write(p)
			_ = p.Conn.Close()
		})
	}
	if got := askWho(t, connecthttp.NewTransport(wiretest.HTTPClient(t), b.url, connecthttp.WithGRPC())); got != "grpc-go" {
		t.Errorf("a good call afterwards was served by %q", got)
	}
	b.stop()
	if err := <-b.done; err != nil {
		t.Errorf("Run = %v after all that, want nil", err)
	}
}

func headers(stream uint32, block []byte) http2.HeadersFrameParam {
	return http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}
}
