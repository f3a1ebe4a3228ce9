package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/grpcreflect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/wiretest"
)

// streams has a call of each kind of method that answers with a stream. Each returns the headers of the response.
var streams = map[string]func(t *testing.T, wire wiretest.Wire, url string, header ...string) *connect.Header{
	"Watch": func(t *testing.T, wire wiretest.Wire, url string, header ...string) *connect.Header {
		ctx, info := connect.NewClientContext(t.Context())
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		_ = calls["Watch"](ctx, wire.Dial(t, url, header...), "a")
		return info.ResponseHeader()
	},
	"reflection": func(t *testing.T, wire wiretest.Wire, url string, header ...string) *connect.Header {
		ctx, info := connect.NewClientContext(t.Context())
		stream := grpcreflect.NewClient(connect.NewClient(wire.Transport(t, url, header...))).NewStream(ctx)
		_, _ = stream.ListServices()
		_ = stream.Close()
		return info.ResponseHeader()
	},
}

// wantUnbuffered checks that no proxy may hold back, transform or store the response.
func wantUnbuffered(t *testing.T, what string, get func(string) string) {
	t.Helper()
	for name, want := range map[string]string{"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"} {
		if got := get(name); got != want {
			t.Errorf("%s answers %s: %q, want %q", what, name, got, want)
		}
	}
}

func TestProxiesMayNotHoldBackStreams(t *testing.T) {
	t.Parallel()
	engine := newEngine(t)
	service := serveService(t, engine)
	gateway := start(t, dial(t, service, token))
	for _, wire := range wiretest.Wires() {
		if wire.Name == "gRPC with grpc-go" {
			continue // the test client of this wire does not return headers
		}
		for name, call := range streams {
			what := name + " over " + wire.Name
			wantUnbuffered(t, what, call(t, wire, gateway, "x-api-key", apiKey).Get)
			wantUnbuffered(t, what+" without a key", call(t, wire, gateway).Get)
			wantUnbuffered(t, what+" of the kvservice", call(t, wire, service, "authorization", "Bearer "+token).Get)
		}
	}
	for _, protocol := range []func(testing.TB) *http.Client{wiretest.HTTPClient, func(testing.TB) *http.Client { return http.DefaultClient }} {
		res := openREST(t, protocol(t), gateway+"/v1/values:watch?prefix=a")
		wantUnbuffered(t, "REST over "+res.Proto, res.Header.Get)
	}
}

// openREST opens a stream that ends with the test at the latest.
func openREST(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// Many proxies close a connection on which nothing moves for 60 s.
func TestIdleWatchesHearASyncOverEveryWire(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[1].transport(t, newEngine(t)))
	target := &keyvaluev1.WatchRequest_Prefix{Prefix: "a"}
	for _, wire := range wiretest.Wires() {
		t.Run(wire.Name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			kv := wire.Dial(t, url, "x-api-key", apiKey)
			watch, err := kv.Watch(ctx, &keyvaluev1.WatchRequest{Target: target})
			if err != nil {
				t.Fatal(err)
			}
			defer watch.Close()
			token := wantSync(t, watch)
			resumed, err := kv.Watch(ctx, &keyvaluev1.WatchRequest{Target: target, ResumeToken: token})
			if err != nil {
				t.Fatal(err)
			}
			defer resumed.Close()
			wantSync(t, watch)
			wantSync(t, resumed)
		})
	}
	t.Run("REST", func(t *testing.T) {
		t.Parallel()
		lines := bufio.NewScanner(openREST(t, http.DefaultClient, url+"/v1/values:watch?prefix=a").Body)
		for syncs := 0; syncs < 2; {
			if !lines.Scan() {
				t.Fatalf("the stream ends after %d syncs with %v, want two", syncs, lines.Err())
			}
			if lines.Text() == "event: sync" {
				syncs++
			}
		}
	})
}

// wantSync checks that the next message is a SYNC, and returns its token.
func wantSync(t *testing.T, watch keyvaluev1connect.KeyValueServiceWatchClientStream) string {
	t.Helper()
	message, err := watch.Receive()
	if err != nil || message.GetEvent().GetType() != keyvaluev1.Event_TYPE_SYNC || message.GetResumeToken() == "" {
		t.Fatalf("the next message is %v, %v; want a SYNC with a token", message, err)
	}
	return message.GetResumeToken()
}
