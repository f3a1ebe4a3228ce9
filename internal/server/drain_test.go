package server_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
)

var silent = slog.New(slog.DiscardHandler)

// openWatch opens a stream by grpc-go's client.
func (b *both) openWatch(t *testing.T) grpc.ClientStream {
	t.Helper()
	stream, err := wiretest.GRPC(t, b.url).NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, watch)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.SendMsg(&keyvaluev1.GetRequest{}), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if got := <-b.opened; got != "grpc-go" {
		t.Fatalf("the stream is served by %s", got)
	}
	return stream
}

func TestAGRPCStreamHearsThatTheServerStops(t *testing.T) {
	b := startBoth(t, time.Minute)
	stream := b.openWatch(t)
	b.stop()
	err := stream.RecvMsg(&keyvaluev1.GetRequest{})
	if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "the server stops" {
		t.Errorf("the stream ended with %v, want the handler's last words", err)
	}
	if err := <-b.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

// The first request of a connection may be on its way when the server stops.
func TestARequestThatHasBegunIsAnswered(t *testing.T) {
	for contentType, want := range map[string]string{grpcs: "grpc-go", "application/grpc-web": "net/http"} {
		t.Run(want, func(t *testing.T) {
			b := startBoth(t, time.Minute)
			p := b.dial(t)
			wiretest.Next[*http2.SettingsFrame](p) // so that the server has the connection
			b.stop()
			<-b.state.Stopping().Done()
			p.Request(1, p.Post(who, contentType), wiretest.Message(nil))
			wantAnswer(t, p, want)
			_ = p.Conn.Close()
			if err := <-b.done; err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		})
	}
}

// A connection without a request does not hold up the stop, and its client learns that none was lost.
func TestAnIdleConnectionIsSentAway(t *testing.T) {
	t.Parallel()
	b := startBoth(t, time.Minute)
	p := b.dial(t)
	wiretest.Next[*http2.SettingsFrame](p)
	b.stop()
	if away := wiretest.Next[*http2.GoAwayFrame](p); away == nil || away.LastStreamID != 0 {
		t.Errorf("the idle connection got %v, want GOAWAY with last stream 0", away)
	}
	if err := <-b.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestAGRPCCallThatTakesTooLongIsCutOff(t *testing.T) {
	t.Parallel()
	b := startBoth(t, time.Millisecond)
	slow := wiretest.DialPeer(t, b.url)
	slow.Greet()
	slow.Must(slow.WriteHeaders(headers(1, slow.Post(who, grpcs)))) // and its message never comes
	for wiretest.Next[*http2.SettingsFrame](slow).NumSettings() < 3 {
		// until grpc-go's own ones are there, which say more than the first
	}
	b.stop()
	if err := <-b.done; err == nil {
		t.Error("Run = nil, want it to say that calls were cut off")
	}
	if _, err := io.Copy(io.Discard, slow.Conn); err != nil {
		t.Logf("the connection ended with %v", err)
	}
}

// Whatever a server has begun to do it tells the caller of, however many call while it stops.
func TestNoCallIsLostWhenTheServerStops(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(*testing.T, string) connect.Transport{
		"gRPC":              func(t *testing.T, url string) connect.Transport { return overHTTP(t, url, connecthttp.WithGRPC()) },
		"gRPC-Web":          func(t *testing.T, url string) connect.Transport { return overHTTP(t, url, connecthttp.WithGRPCWeb()) },
		"Connect, HTTP/1.1": func(t *testing.T, url string) connect.Transport { return overHTTP1(t, url) },
	} {
		t.Run(name, func(t *testing.T) {
			b := startBoth(t, time.Minute)
			var answered atomic.Int64
			var callers sync.WaitGroup
			for range 8 {
				client := connect.NewClient(dial(t, b.url))
				callers.Go(func() {
					for {
						err := client.CallUnary(t.Context(), connect.Spec{Procedure: who}, &keyvaluev1.GetRequest{}, &keyvaluev1.GetRequest{})
						if err != nil {
							return // it may come too late
						}
						answered.Add(1)
					}
				})
			}
			for answered.Load() < 200 {
				runtime.Gosched()
			}
			b.stop()
			if err := <-b.done; err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
			callers.Wait()
			if done, got := b.answers.Load(), answered.Load(); done != got {
				t.Errorf("the server did %d calls, and the callers got %d answers", done, got)
			}
		})
	}
}

func overHTTP(t *testing.T, url string, option connecthttp.Option) connect.Transport {
	return connecthttp.NewTransport(wiretest.HTTPClient(t), url, option)
}

func overHTTP1(t *testing.T, url string) connect.Transport {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: wiretest.ClientTLS(t)}}
	t.Cleanup(client.CloseIdleConnections)
	return connecthttp.NewTransport(client, url)
}
