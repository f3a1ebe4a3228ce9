package server_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
)

func TestEachClientIsServedByTheRightServer(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
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
		{"gRPC-Web over HTTP/1.1", http1(t), connecthttp.WithGRPCWeb(), nil, "net/http"},
		{"Connect", wiretest.HTTPClient(t), connecthttp.WithSendCodec("proto"), nil, "net/http"},
		{"Connect over HTTP/1.1", http1(t), connecthttp.WithSendCodec("json"), nil, "net/http"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 3 {
				if got := callWho(t, connecthttp.NewTransport(test.client, s.url, test.option), test.header...); got != test.want {
					t.Errorf("it was served by %s, want %s", got, test.want)
				}
			}
		})
	}
	var header metadata.MD
	err := wiretest.GRPC(t, s.url).Invoke(t.Context(), who, &keyvaluev1.GetRequest{}, &keyvaluev1.GetRequest{}, grpc.Header(&header))
	if err != nil || !slices.Equal(header.Get("server-stack"), []string{"grpc-go"}) {
		t.Errorf("grpc-go's own client was served by %v, %v", header, err)
	}
}

// A program may use one http.Client for everything that it asks of a server.
func TestAClientThatBeginsWithGRPCMaySendOtherRequests(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	client := wiretest.HTTPClient(t)
	transport := connecthttp.NewTransport(client, s.url, connecthttp.WithGRPC())
	stream := s.openWatch(t, transport, "grpc-go")
	res, err := client.Post(s.url+"/other", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatalf("the other request: %v", err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusOK || string(body) != "HTTP/2.0" {
		t.Errorf("the other request got %d %q, want 200 over HTTP/2", res.StatusCode, body)
	}
	s.events <- "still there"
	var event keyvaluev1.GetRequest
	if err := stream.Receive(&event); err != nil || event.GetKey() != "still there" {
		t.Errorf("the open stream got %q, %v", event.GetKey(), err)
	}
	if got := callWho(t, transport); got != "net/http" {
		t.Errorf("gRPC after the other request was served by %s, want net/http, which has the new connection", got)
	}
}

func TestARequestMayArriveInAnyPieces(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	for _, test := range []struct{ contentType, body, want string }{
		{grpcs, "\x00\x00\x00\x00\x00", "grpc-go"}, {"application/proto", "", "net/http"},
	} {
		t.Run(test.want+" byte by byte", func(t *testing.T) {
			whole := recorded(t, func(p *wiretest.Peer) {
				p.Greet()
				p.Request(1, p.Post(who, test.contentType), []byte(test.body))
			})
			client := wiretest.DialPeer(t, s.url)
			for i := range whole {
				if _, err := client.Conn.Write(whole[i : i+1]); err != nil {
					t.Fatal(err)
				}
			}
			wantResponse(t, client, test.want)
		})
		t.Run(test.want+" with padding, priority and continuations", func(t *testing.T) {
			p := s.dial(t)
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
			wantResponse(t, p, test.want)
		})
	}
}

// recorded returns the bytes that a peer writes.
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

// grpc-go's client sends nothing before it has the server's SETTINGS, and every client acknowledges them.
func TestAClientMayWaitForSettings(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
		p := s.dial(t)
		settings := wiretest.Next[*http2.SettingsFrame](p) // which Next acknowledges
		if n, ok := settings.Value(http2.SettingMaxConcurrentStreams); !ok || n != 100 {
			t.Errorf("the server allows %d streams, want 100", n)
		}
		p.Must(p.WritePing(false, [8]byte{1, 2, 3}))
		if ping := wiretest.Next[*http2.PingFrame](p); ping == nil || !ping.IsAck() || ping.Data != [8]byte{1, 2, 3} {
			t.Errorf("PING was answered by %v", ping)
		}
		for stream := uint32(1); stream < 6; stream += 2 {
			p.Request(stream, p.Post(who, lane.contentType), wiretest.Message(nil))
			wantResponse(t, p, lane.server)
		}
	})
}

func TestOtherRequestsAreRefusedUnprocessed(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	p := s.dial(t)
	p.Request(1, p.Post(watch, grpcs, "x-first", "in the table of both sides"), wiretest.Message(nil))
	<-s.opened
	p.Request(3, p.Post(who, "application/proto", "x-second", "in that of the client alone"), nil)
	away := wiretest.Next[*http2.GoAwayFrame](p)
	if away == nil || away.LastStreamID != 1<<31-1 || away.ErrCode != http2.ErrCodeNo {
		t.Fatalf("the other request was answered by %v, want GOAWAY that ends no stream", away)
	}
	for _, stream := range []uint32{3, 5} {
		if stream == 5 { // was sent before GOAWAY arrived
			get(p, 5)
		}
		reset := wiretest.Next[*http2.RSTStreamFrame](p)
		if reset == nil || reset.StreamID != stream || reset.ErrCode != http2.ErrCodeRefusedStream {
			t.Fatalf("stream %d got %v, want REFUSED_STREAM", stream, reset)
		}
	}
	p.Request(7, p.Post(who, grpcs, "x-first", "in the table of both sides", "x-second", "in that of the client alone",
		"x-long", strings.Repeat("x", 15<<10)), wiretest.Message(nil))
	wantResponse(t, p, "grpc-go")
	s.events <- "still there"
	for {
		data := wiretest.Next[*http2.DataFrame](p)
		if data == nil {
			t.Fatal("the open stream ended")
		}
		if data.StreamID == 1 {
			break
		}
	}
}

// Some requests have no better answer than grpc-go's, so they are not worth a new connection.
func TestRequestsThatNoLaneServesAreAnsweredByGRPC(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	p := s.dial(t)
	p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	wantResponse(t, p, "grpc-go")
	p.Request(3, p.Post("/", "text/plain", "te", "trailers"), nil) // which only gRPC clients send
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

// get sends GET on a stream of p.
func get(p *wiretest.Peer, stream uint32, fields ...string) {
	block := append([]string{":method", "GET", ":scheme", "http", ":authority", "test", ":path", "/"}, fields...)
	p.Request(stream, p.Block(block...), nil)
}
