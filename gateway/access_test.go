package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// calls has a call of every method of the contract, with a key or a prefix. TestEveryMethodIsCalled keeps it complete.
var calls = map[string]func(ctx context.Context, kv client, key string) error{
	"Get": func(ctx context.Context, kv client, key string) error {
		_, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: key})
		return err
	},
	"Set": func(ctx context.Context, kv client, key string) error {
		_, err := kv.Set(ctx, set(key, "1"))
		return err
	},
	"Delete": func(ctx context.Context, kv client, key string) error {
		_, err := kv.Delete(ctx, &keyvaluev1.DeleteRequest{Key: key})
		return err
	},
	"Touch": func(ctx context.Context, kv client, key string) error {
		_, err := kv.Touch(ctx, &keyvaluev1.TouchRequest{Key: key})
		return err
	},
	"Increment": func(ctx context.Context, kv client, key string) error {
		_, err := kv.Increment(ctx, &keyvaluev1.IncrementRequest{Key: key})
		return err
	},
	"List": func(ctx context.Context, kv client, key string) error {
		_, err := kv.List(ctx, &keyvaluev1.ListRequest{Prefix: key})
		return err
	},
	"DeleteRange": func(ctx context.Context, kv client, key string) error {
		_, err := kv.DeleteRange(ctx, &keyvaluev1.DeleteRangeRequest{Prefix: key})
		return err
	},
	"Batch": func(ctx context.Context, kv client, key string) error {
		get := &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: &keyvaluev1.GetRequest{Key: key}}}
		_, err := kv.Batch(ctx, &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{get}})
		return err
	},
	"Watch": func(ctx context.Context, kv client, key string) error {
		stream, err := kv.Watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{Prefix: key}})
		if err != nil {
			return err
		}
		defer stream.Close()
		_, err = stream.Receive()
		return err
	},
	"CreateTicket": func(ctx context.Context, kv client, key string) error {
		_, err := kv.CreateTicket(ctx, &keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Prefix{Prefix: key}})
		return err
	},
	"GetCaller": func(ctx context.Context, kv client, _ string) error {
		_, err := kv.GetCaller(ctx, &keyvaluev1.GetCallerRequest{})
		return err
	},
	"GetKeyStats": func(ctx context.Context, kv client, _ string) error {
		_, err := kv.GetKeyStats(ctx, &keyvaluev1.GetKeyStatsRequest{})
		return err
	},
	"GetStats": func(ctx context.Context, kv client, _ string) error {
		_, err := kv.GetStats(ctx, &keyvaluev1.GetStatsRequest{})
		return err
	},
}

func TestEveryMethodIsCalled(t *testing.T) {
	t.Parallel()
	methods := keyvaluev1.File_keyvalue_v1_service_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		if name := string(methods.Get(i).Name()); calls[name] == nil {
			t.Errorf("no test calls the method %s: add it to calls", name)
		}
	}
}

// wrongKeys are the headers of callers without a valid key.
var wrongKeys = map[string][]string{
	"no key":           nil,
	"an empty key":     {"x-api-key", ""},
	"a wrong key":      {"x-api-key", "nope"},
	"a wrong bearer":   {"authorization", "Bearer nope"},
	"the key as basic": {"authorization", "Basic " + apiKey},
}

func TestNoMethodIsOpenWithoutAKey(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[0].transport(t, newEngine(t)))
	for _, wire := range wiretest.Wires() {
		for caller, header := range wrongKeys {
			kv := wire.Dial(t, url, header...)
			for name, call := range calls {
				if err := call(t.Context(), kv, "a"); contract.ReasonOf(err) != contract.APIKeyInvalid || connect.CodeOf(err) != connect.CodeUnauthenticated {
					t.Errorf("%s over %s with %s = %v, want API_KEY_INVALID", name, wire.Name, caller, err)
				}
			}
		}
		for _, header := range [][]string{{"x-api-key", apiKey}, {"authorization", "Bearer " + apiKey}} {
			if err := calls["Set"](t.Context(), wire.Dial(t, url, header...), "a"); err != nil {
				t.Errorf("Set over %s with %v = %v", wire.Name, header[0], err)
			}
		}
	}
}

func TestNoRouteIsOpenWithoutAKey(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[0].transport(t, newEngine(t)))
	routes := append(rest.Routes(), rest.Route{Method: http.MethodGet, Path: "/v1/nowhere"},
		rest.Route{Method: http.MethodPost, Path: "/v1"}, rest.Route{Method: http.MethodOptions, Path: "/v1/values"})
	body := ""
	for _, route := range routes {
		path := strings.ReplaceAll(route.Path, "{key}", "a")
		if route.Public() {
			if got := askAs(t, route.Method, url+path, ""); got.status != http.StatusOK || strings.HasPrefix(path, "/v1") {
				t.Errorf("%s %s without a key = %d, want 200, and no such route below /v1", route.Method, path, got.status)
			}
			continue
		}
		for caller, header := range wrongKeys {
			got := askAs(t, route.Method, url+path, "not even JSON", header...)
			if got.status != http.StatusUnauthorized {
				t.Errorf("%s %s with %s = %d, want 401", route.Method, path, caller, got.status)
			}
			if route.Method == http.MethodHead {
				continue
			}
			if body == "" {
				body = got.body
			}
			if got.body != body {
				t.Errorf("%s %s with %s answers %s; want the same for all: %s", route.Method, path, caller, got.body, body)
			}
		}
	}
	if !strings.Contains(body, "API_KEY_INVALID") {
		t.Errorf("the answer is %s, want the reason API_KEY_INVALID", body)
	}
}

func TestHealthNeedsNoKey(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[0].transport(t, newEngine(t)))
	wantHealthy(t, url)
}

// wantHealthy checks that the gateway at url reports its health without a key, over every wire.
func wantHealthy(t *testing.T, url string) {
	t.Helper()
	for _, path := range []string{"/health", "/livez", "/readyz"} {
		if got := askAs(t, http.MethodGet, url+path, ""); got.status != http.StatusOK {
			t.Errorf("GET %s without a key = %d, want 200", path, got.status)
		}
	}
	for _, wire := range wiretest.Wires() {
		var res healthv1.HealthCheckResponse
		err := connect.NewClient(wire.Transport(t, url)).CallUnary(t.Context(),
			connect.Spec{Procedure: healthv1.Health_Check_FullMethodName}, &healthv1.HealthCheckRequest{}, &res)
		if err != nil || res.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health over %s = %v, %v; want SERVING", wire.Name, res.GetStatus(), err)
		}
	}
}

// The key alone identifies a caller. Headers that claim an identity must not reach the service.
func TestCallersCannotForgeAnIdentity(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 10)
	spy := wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	url := start(t, dial(t, spy, ""))
	kv := wiretest.Wires()[0].Dial(t, url, "x-api-key", apiKey, "x-principal", "root", "x-forwarded-user", "root")
	_, _ = kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
	ask(t, http.MethodGet, url+"/v1/values/a", "", "X-Principal", "root", "X-Forwarded-User", "root")
	for range 2 {
		header := <-seen
		for _, name := range []string{"X-Api-Key", "X-Principal", "X-Forwarded-User"} {
			if header.Get(name) != "" {
				t.Errorf("the caller's %s reached the service", name)
			}
		}
	}
}
