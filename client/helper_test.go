package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"go.uber.org/goleak"

	"key-value/client"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// patience is how long a test that goes wrong waits.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bounded returns a context that ends even if a test goes wrong.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newEngine(t testing.TB) store.Engine {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// handle returns a handler of service, without authentication if keys is nil.
func handle(service keyvaluev1connect.KeyValueServiceHandler, keys *auth.Keys) http.Handler {
	return mount(procedures(service, keys))
}

func procedures(service keyvaluev1connect.KeyValueServiceHandler, keys *auth.Keys) *connect.Server {
	return rpc.NewServer(service, rpc.Config{
		Checks: admission.NewChecks(keys, nil), Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
}

func mount(server *connect.Server) http.Handler {
	return rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler())
}

// serve serves service as the commands do, without authentication if keys is nil, and returns its URL.
func serve(t testing.TB, service keyvaluev1connect.KeyValueServiceHandler, keys *auth.Keys) string {
	server := procedures(service, keys)
	return wiretest.ServeRPC(t, mount(server), server)
}

// serveEngine returns the URL of a service of engine.
func serveEngine(t testing.TB, engine store.Engine) string {
	return serve(t, kvservice.New(engine, kvservice.Config{}), nil)
}

func dial(t testing.TB, url string, opts ...client.Option) *client.Client {
	t.Helper()
	kv, err := client.New(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kv.Close)
	return kv
}

// start returns a client of a new, empty service.
func start(t testing.TB) *client.Client { return dial(t, serveEngine(t, newEngine(t))) }

func mustSet(t testing.TB, kv *client.Client, key, value string, opts ...client.WriteOption) client.Entry {
	t.Helper()
	entry, _, err := kv.Set(t.Context(), key, []byte(value), opts...)
	if err != nil {
		t.Fatalf("Set(%s) = %v", key, err)
	}
	return entry
}

func wantValue(t testing.TB, kv *client.Client, key, want string) client.Entry {
	t.Helper()
	entry, err := kv.Get(t.Context(), key)
	if err != nil || string(entry.Value) != want {
		t.Fatalf("Get(%s) = %q, %v; want %q", key, entry.Value, err, want)
	}
	return entry
}

// wantError checks that err is an *Error that is want.
func wantError(t testing.TB, what string, err, want error) *client.Error {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok || !errors.Is(err, want) {
		t.Fatalf("%s = %v, want an *Error that is %v", what, err, want)
	}
	return e
}
