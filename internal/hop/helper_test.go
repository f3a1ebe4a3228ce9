package hop_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"go.uber.org/goleak"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type client = keyvaluev1connect.KeyValueServiceClient

var (
	// library is the hop of package client.
	library = hop.Config{Library: true, Retry: true, RetryOverloaded: true, Batch: true}
	// forwarding is the hop of a gateway to another process, without what hides its errors.
	forwarding = hop.Config{Library: true, Retry: true, Breaker: true, Batch: true}
)

// calls are the unary calls of a service, by name. Each succeeds on a store that was just started.
var calls = map[string]func(context.Context, client) error{
	"Get": func(ctx context.Context, kv client) error {
		if _, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: "a"}); contract.ReasonOf(err) != contract.KeyNotFound {
			return err
		}
		return nil
	},
	"List": func(ctx context.Context, kv client) error {
		_, err := kv.List(ctx, &keyvaluev1.ListRequest{})
		return err
	},
	"Stats": func(ctx context.Context, kv client) error {
		_, err := kv.GetStats(ctx, &keyvaluev1.GetStatsRequest{})
		return err
	},
	"Batch of gets": func(ctx context.Context, kv client) error {
		_, err := kv.Batch(ctx, &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{opGet("a"), opGet("b")}})
		return err
	},
	"Batch with a set": func(ctx context.Context, kv client) error {
		set := &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Set{Set: setRequest("a", "")}}
		_, err := kv.Batch(ctx, &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{opGet("a"), set}})
		return err
	},
	"Set": func(ctx context.Context, kv client) error {
		_, err := kv.Set(ctx, setRequest("a", ""))
		return err
	},
	"Delete": func(ctx context.Context, kv client) error {
		_, err := kv.Delete(ctx, &keyvaluev1.DeleteRequest{Key: "a"})
		return err
	},
	"Increment": func(ctx context.Context, kv client) error {
		_, err := kv.Increment(ctx, &keyvaluev1.IncrementRequest{Key: "n", Delta: 1})
		return err
	},
}

func opGet(key string) *keyvaluev1.Operation {
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: &keyvaluev1.GetRequest{Key: key}}}
}

func setRequest(key, value string) *keyvaluev1.SetRequest {
	return &keyvaluev1.SetRequest{Key: key, Content: &keyvaluev1.SetRequest_Value{Value: value}}
}

func newEngine(t testing.TB) store.Engine {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func procedures(service keyvaluev1connect.KeyValueServiceHandler) *connect.Server {
	return rpc.NewServer(service, rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
}

func mount(server *connect.Server) http.Handler {
	return rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler())
}

func handle(service keyvaluev1connect.KeyValueServiceHandler) http.Handler {
	return mount(procedures(service))
}

// serve serves service as the commands do, and returns its URL.
func serve(t testing.TB, service keyvaluev1connect.KeyValueServiceHandler) string {
	server := procedures(service)
	return wiretest.ServeRPC(t, mount(server), server)
}

// dial returns a client of the service at url.
func dial(t testing.TB, url string, cfg hop.Config) client {
	t.Helper()
	service, err := hop.HTTP(url, hop.HTTPConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.CloseIdleConnections)
	return hop.NewClient(service, cfg)
}

// over returns a client whose requests are sent by transport, without a network.
func over(t testing.TB, transport http.RoundTripper, cfg hop.Config) client {
	t.Helper()
	service, err := hop.HTTP("http://service", hop.HTTPConfig{Client: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return hop.NewClient(service, cfg)
}

// roundTripper is an HTTP transport without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// bounded returns a context that ends even if a test goes wrong.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// wantReason checks why a call failed.
func wantReason(t testing.TB, what string, err error, want contract.Reason) {
	t.Helper()
	if err == nil || hop.Classify(nil, err) != want {
		t.Errorf("%s = %v, want %s", what, err, want)
	}
}

// wantCount checks the integer of the key "n".
func wantCount(t testing.TB, kv client, want string) {
	t.Helper()
	res, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "n"})
	if got := res.GetEntry().GetValue(); err != nil || got != want {
		t.Errorf("Get(n) = %q, %v; want %q", got, err, want)
	}
}

// failWith is a service that answers every call with err.
func failWith(err error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { _ = connecthttp.NewErrorWriter().Write(w, r, err) }
}

func badGateway(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

// breakOff resets the stream in the middle of an answer.
func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/proto")
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "\x0a")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// closedPort returns the address of a port on which nothing listens.
func closedPort(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
