package server_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
)

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

func TestARequestMayComeInAnyPieces(t *testing.T) {
	t.Parallel()
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
