package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/observe/requestid"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
)

func TestEveryWireAnswersWithTheRequestID(t *testing.T) {
	t.Parallel()
	url := start(t, rpc.InProcess(service(newEngine(t), nil)))
	for _, key := range []string{apiKey, "wrong"} {
		for _, sent := range []string{"from-the-caller", ""} {
			got := askAs(t, http.MethodGet, url+"/v1/values/nope", "", "X-Api-Key", key, requestid.Header, sent)
			checkID(t, "REST", sent, got.header.Get(requestid.Header))
			for _, wire := range wiretest.Wires() {
				if wire.Name == "gRPC with grpc-go" {
					continue // the test client of this wire does not return headers
				}
				ctx, info := connect.NewClientContext(t.Context())
				if sent != "" {
					info.RequestHeader().Set(requestid.Header, sent)
				}
				if _, err := wire.Dial(t, url, "X-Api-Key", key).Get(ctx, &keyvaluev1.GetRequest{Key: "nope"}); err == nil {
					t.Error("the call went well")
				}
				checkID(t, wire.Name, sent, info.ResponseHeader().Get(requestid.Header))
			}
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", key, "x-request-id", sent)
			var header metadata.MD
			_ = wiretest.GRPC(t, url).Invoke(ctx, keyvaluev1connect.KeyValueServiceGetProcedure,
				&keyvaluev1.GetRequest{Key: "nope"}, &keyvaluev1.GetResponse{}, grpc.Header(&header))
			checkID(t, "gRPC with grpc-go", sent, strings.Join(header.Get("x-request-id"), " and "))
		}
	}
}

func checkID(t *testing.T, wire, sent, got string) {
	t.Helper()
	if sent != "" && got != sent || len(got) < 15 {
		t.Errorf("%s responds with the request id %q to %q", wire, got, sent)
	}
}

// brokenEngine fails once all calls have arrived.
type brokenEngine struct {
	store.Engine
	calls *sync.WaitGroup
}

var errBroken = errors.New("broken")

func (e brokenEngine) Do(context.Context, store.Operation) (store.Result, error) {
	e.calls.Wait()
	return store.Result{}, errBroken
}

func (brokenEngine) Batch(context.Context, []store.Operation, bool) ([]store.Result, error) {
	return nil, errBroken
}

// book is a log in memory.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newLog(level slog.Level) (*slog.Logger, *book) {
	b := &book{}
	return slog.New(requestid.LogHandler(slog.NewTextHandler(b, &slog.HandlerOptions{Level: level}))), b
}

// A failure of the service is in the logs of both processes, with the request id that the caller received, even if the
// call was batched with others.
func TestFailuresAreLoggedWithTheRequestIDOnBothSides(t *testing.T) {
	t.Parallel()
	const callers = 40
	var started sync.WaitGroup
	started.Add(callers)
	serviceLog, inside := newLog(slog.LevelInfo)
	server := rpc.NewServer(kvservice.New(brokenEngine{newEngine(t), &started}, kvservice.Config{}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: serviceLog,
		Interceptors: []connect.ServerInterceptor{requestid.Take},
	})
	target := wiretest.ServeRPC(t, rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler()), server)
	transport, err := hop.HTTP(target, hop.HTTPConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var gathered atomic.Int64
	gatewayLog, outside := newLog(slog.LevelInfo)
	client := hop.NewClient(transport, hop.Config{
		Log: gatewayLog, Batch: true, RequestID: requestid.Pass,
		Gather: func(ctx context.Context, calls []context.Context) (context.Context, func(error)) {
			gathered.Add(int64(len(calls)))
			return requestid.Gather(ctx, calls), func(error) {}
		},
	})
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			ctx := accept(t.Context(), http.Header{requestid.Header: {fmt.Sprintf("caller-%d.", i)}}, http.Header{})
			ctx = auth.NewContext(ctx, auth.Internal("test"))
			started.Done()
			if _, err := client.Get(ctx, &keyvaluev1.GetRequest{Key: "a"}); connect.CodeOf(err) != connect.CodeInternal {
				t.Errorf("a broken engine fails with %v, want an internal error", err)
			}
		})
	}
	all.Wait()
	for i := range callers {
		id := fmt.Sprintf("caller-%d.", i)
		if !strings.Contains(outside.String(), id) || !strings.Contains(inside.String(), id) {
			t.Errorf("the request id %s is not in both logs", id)
		}
	}
	if gathered.Load() == 0 {
		t.Error("no calls travelled together, so this test has shown less than it says")
	}
}

// accept returns ctx with the id of a request.
func accept(ctx context.Context, request, response http.Header) context.Context {
	id := &requestid.Context{}
	id.Accept(ctx, request, response)
	return id
}
