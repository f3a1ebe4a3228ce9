package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"

	"key-value/internal/testkit/wiretest"
)

// wantLane opens a connection with a gRPC call and checks which lane serves it.
func wantLane(t *testing.T, s *fixture, want string) {
	t.Helper()
	p := s.dial(t)
	p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	wantResponse(t, p, want)
	_ = p.Conn.Close()
}

func TestAPeerThatMixesRequestsIsServedByNetHTTP(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	other := s.dial(t) // from the same address
	other.Request(1, other.Post(watch, grpcs), wiretest.Message(nil))
	<-s.opened
	p := s.dial(t)
	p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
	wantResponse(t, p, "grpc-go")
	get(p, 3)
	if reset := wiretest.Next[*http2.RSTStreamFrame](p); reset == nil || reset.ErrCode != http2.ErrCodeRefusedStream {
		t.Fatalf("the other request got %v, want REFUSED_STREAM", reset)
	}
	if away := wiretest.Next[*http2.GoAwayFrame](other); away == nil || away.LastStreamID != 1<<31-1 || away.ErrCode != http2.ErrCodeNo {
		t.Errorf("the other gRPC connection got %v, want GOAWAY that ends no stream", away)
	}
	s.events <- "still there"
	if data := wiretest.Next[*http2.DataFrame](other); data == nil || data.StreamID != 1 {
		t.Errorf("the stream on the other connection got %v, want its message", data)
	}
	for range 3 {
		p := s.dial(t)
		p.Request(1, p.Post(who, grpcs), wiretest.Message(nil))
		wantResponse(t, p, "net/http")
		get(p, 3)
		wantStatus(t, p, 3, "200")
		p.Request(5, p.Post(who, grpcs), wiretest.Message(nil))
		wantResponse(t, p, "net/http")
	}
}

func TestAConnectionThatDoesNotBeginWithGRPCMayMixRequests(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	p := s.dial(t)
	get(p, 1)
	wantStatus(t, p, 1, "200")
	wantLane(t, s, "grpc-go")
	for stream := uint32(3); stream < 11; stream += 4 {
		p.Request(stream, p.Post(who, grpcs), wiretest.Message(nil))
		wantResponse(t, p, "net/http")
		get(p, stream+2)
		wantStatus(t, p, stream+2, "200")
	}
	wantLane(t, s, "net/http") // which has seen the mix, before any request was refused
}

// A proxy that says so never gets grpc-go, and need not slow down the other clients at its address.
func TestAProxyThatSaysSoMayMixRequests(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	p := s.dial(t)
	p.Request(1, p.Post(who, grpcs, "x-forwarded-for", "192.0.2.1"), wiretest.Message(nil))
	wantResponse(t, p, "net/http")
	get(p, 3, "x-forwarded-for", "192.0.2.1")
	wantStatus(t, p, 3, "200")
	p.Request(5, p.Post(who, grpcs), wiretest.Message(nil))
	wantResponse(t, p, "net/http")
	wantLane(t, s, "grpc-go")
}

// Clients that use one connection for one kind of request are no reason to serve gRPC by net/http.
func TestClientsOfEachKindDoNotMix(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	for range 3 {
		if got := callWho(t, connecthttp.NewTransport(wiretest.HTTPClient(t), s.url, connecthttp.WithGRPC())); got != "grpc-go" {
			t.Errorf("gRPC was served by %s, want grpc-go", got)
		}
		callWho(t, connecthttp.NewTransport(wiretest.HTTPClient(t), s.url, connecthttp.WithGRPCWeb()))
		res, err := wiretest.HTTPClient(t).Post(s.url+"/", "text/plain", strings.NewReader("x"))
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
