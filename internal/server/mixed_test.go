package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"

	"key-value/internal/testkit/wiretest"
)

// get sends GET on a stream of p.
func get(p *wiretest.Peer, stream uint32, fields ...string) {
	block := append([]string{":method", "GET", ":scheme", "http", ":authority", "test", ":path", "/"}, fields...)
	p.Request(stream, p.Block(block...), nil)
}

// wantStatus reads until the response on stream and checks its status.
func wantStatus(t *testing.T, p *wiretest.Peer, stream uint32, want string) {
	t.Helper()
	if got := p.Outcome(stream); got != want {
		t.Errorf("stream %d ended with %q, want %s", stream, got, want)
	}
}

// wantLane opens a connection with a gRPC call and checks which lane serves it.
func wantLane(t *testing.T, b *both, want string) {
	t.Helper()
	p := b.dial(t)
	p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	wantAnswer(t, p, want)
	_ = p.Conn.Close()
}

func TestAPeerThatMixesRequestsIsServedByNetHTTP(t *testing.T) {
	t.Parallel()
	b := startBoth(t, time.Minute)
	other := b.dial(t) // from the same address
	other.Request(1, other.Post(watch, grpcs), wiretest.Message(nil))
	<-b.opened
	p := b.dial(t)
	p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	wantAnswer(t, p, "grpc-go")
	get(p, 3)
	if reset := wiretest.Next[*http2.RSTStreamFrame](p); reset == nil || reset.ErrCode != http2.ErrCodeRefusedStream {
		t.Fatalf("the other request got %v, want REFUSED_STREAM", reset)
	}
	if away := wiretest.Next[*http2.GoAwayFrame](other); away == nil || away.LastStreamID != 1<<31-1 || away.ErrCode != http2.ErrCodeNo {
		t.Errorf("the other gRPC connection got %v, want GOAWAY that cuts off nothing", away)
	}
	b.events <- "still there"
	if data := wiretest.Next[*http2.DataFrame](other); data == nil || data.StreamID != 1 {
		t.Errorf("the stream on the other connection got %v, want its message", data)
	}
	for range 3 {
		p := b.dial(t)
		p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
		wantAnswer(t, p, "net/http")
		get(p, 3)
		wantStatus(t, p, 3, "200")
		p.Request(5, p.Post(who, grpcs), wiretest.Message(nil))
		wantAnswer(t, p, "net/http")
	}
}

func TestAConnectionThatDoesNotBeginWithGRPCMayMixRequests(t *testing.T) {
	t.Parallel()
	b := startBoth(t, time.Minute)
	p := b.dial(t)
	get(p, 1)
	wantStatus(t, p, 1, "200")
	wantLane(t, b, "grpc-go")
	for stream := uint32(3); stream < 11; stream += 4 {
		p.Request(stream, p.Post(who, grpcs), wiretest.Message(nil))
		wantAnswer(t, p, "net/http")
		get(p, stream+2)
		wantStatus(t, p, stream+2, "200")
	}
	wantLane(t, b, "net/http") // which has seen the mix, before any request was refused
}

// A proxy that says so never gets grpc-go, and need not slow down the other clients at its address.
func TestAProxyThatSaysSoMayMixRequests(t *testing.T) {
	t.Parallel()
	b := startBoth(t, time.Minute)
	p := b.dial(t)
	p.Request(1, p.Post(who, grpcs, "x-forwarded-for", "192.0.2.1"), wiretest.Message(nil))
	wantAnswer(t, p, "net/http")
	get(p, 3, "x-forwarded-for", "192.0.2.1")
	wantStatus(t, p, 3, "200")
	p.Request(5, p.Post(who, grpcs), wiretest.Message(nil))
	wantAnswer(t, p, "net/http")
	wantLane(t, b, "grpc-go")
}

// Clients that use one connection for one kind of request are no reason to serve gRPC by net/http.
func TestClientsOfEachKindDoNotMix(t *testing.T) {
	t.Parallel()
	b := startBoth(t, time.Minute)
	for range 3 {
		if got := askWho(t, connecthttp.NewTransport(wiretest.HTTPClient(t), b.url, connecthttp.WithGRPC())); got != "grpc-go" {
			t.Errorf("gRPC was served by %s, want grpc-go", got)
		}
		askWho(t, connecthttp.NewTransport(wiretest.HTTPClient(t), b.url, connecthttp.WithGRPCWeb()))
		res, err := wiretest.HTTPClient(t).Post(b.url+"/", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("POST = %s, want 200", res.Status)
		}
	}
}
