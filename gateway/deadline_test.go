package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/gateway"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// soon is the tolerance for times. In fake time, only waiting takes time.
const soon = 50 * time.Millisecond

// noting is an engine that never responds, and notes when its calls are canceled.
type noting struct {
	store.Engine
	stopped chan time.Time
}

func (n noting) Do(ctx context.Context, _ store.Operation) (store.Result, error) {
	<-ctx.Done()
	n.stopped <- time.Now()
	return store.Result{}, ctx.Err()
}

// inFakeTime runs test against a gateway whose service never responds, in one process and in two.
func inFakeTime(t *testing.T, test func(t *testing.T, client *http.Client, stopped <-chan time.Time)) {
	for name, dial := range map[string]func(*testing.T, *connect.Server) connect.Transport{
		"one process": func(_ *testing.T, service *connect.Server) connect.Transport { return rpc.InProcess(service) },
		"two processes": func(t *testing.T, service *connect.Server) connect.Transport {
			client := wiretest.ServeHTTP2InBubble(t, rpc.Mount(service, contract.DefaultValueBytes, http.NotFoundHandler()))
			transport, err := hop.HTTP("http://service", hop.HTTPConfig{Client: client})
			if err != nil {
				t.Fatal(err)
			}
			return hop.New(transport, hop.Config{Library: true, Retry: true, Breaker: true, Batch: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				engine := noting{memory.New(memory.Options{}), make(chan time.Time, 10)}
				defer engine.Close()
				client := hop.NewClient(dial(t, service(engine, nil)), hop.Config{Log: silent})
				test(t, wiretest.ServeHTTP2InBubble(t, gateway.New(client, gateway.Config{
					Keys: auth.Single("default", apiKey), State: server.NewState(), Log: silent,
				})), engine.stopped)
			})
		})
	}
}

// lasting is a request that lasts until its deadline if the service never responds.
type lasting struct {
	name, method, path, body string
	header                   []string
	atMost                   time.Duration
	isGivenUp                func(res *http.Response, body string) bool // whether the response reports the deadline
}

// lastings are a read over each protocol. REST callers cannot send a deadline.
var lastings = []lasting{
	{"REST", http.MethodGet, "/v1/values/a", "", nil, 10 * time.Second, func(res *http.Response, body string) bool {
		return res.StatusCode == http.StatusGatewayTimeout && strings.Contains(body, `"DEADLINE_EXCEEDED"`)
	}},
	{"Connect", http.MethodPost, "/keyvalue.v1.KeyValueService/Get", `{"key":"a"}`,
		[]string{"Content-Type", "application/json", "Connect-Protocol-Version", "1", "Connect-Timeout-Ms", "1000"}, time.Second,
		func(_ *http.Response, body string) bool { return strings.Contains(body, `"deadline_exceeded"`) }},
	{"gRPC", http.MethodPost, "/keyvalue.v1.KeyValueService/Get", "\x00\x00\x00\x00\x03\x0a\x01a",
		[]string{"Content-Type", "application/grpc", "Te", "trailers", "Grpc-Timeout", "1S"}, time.Second,
		func(res *http.Response, _ string) bool { return res.Trailer.Get("Grpc-Status") == "4" }},
}

// send returns the response and its body.
func (l lasting) send(ctx context.Context, client *http.Client) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, l.method, "http://gateway"+l.path, strings.NewReader(l.body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("X-Api-Key", apiKey)
	for i := 0; i+1 < len(l.header); i += 2 {
		req.Header.Set(l.header[i], l.header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func TestACallEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, client *http.Client, stopped <-chan time.Time) {
		for _, l := range lastings {
			begin := time.Now()
			res, body, err := l.send(t.Context(), client)
			if err != nil || !l.isGivenUp(res, body) {
				t.Errorf("%s: the response is %v %s, %v; want it to report the deadline", l.name, res, body, err)
			}
			if took := time.Since(begin); took < l.atMost-soon || took > l.atMost+soon {
				t.Errorf("%s: the response came after %v, want %v", l.name, took, l.atMost)
			}
			if took := (<-stopped).Sub(begin); took > l.atMost+soon {
				t.Errorf("%s: the work ended after %v, want %v", l.name, took, l.atMost)
			}
		}
	})
}

func TestWorkEndsWhenItsCallerDisconnects(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, client *http.Client, stopped <-chan time.Time) {
		for _, l := range lastings {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if res, body, err := l.send(ctx, client); err == nil {
				t.Errorf("%s: the response is %v %s, want none so soon", l.name, res, body)
			}
			cancel()
			if took := (<-stopped).Sub(begin); took > 100*time.Millisecond+soon {
				t.Errorf("%s: the work ended after %v, want 100 ms", l.name, took)
			}
		}
	})
}
