package rpc_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/grpcreflect/v2"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
)

// one is a service that holds the entry a=1 in version e-1.
type one struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler
}

func (one) Get(_ context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	if req.GetKey() != "a" {
		return nil, contract.KeyNotFound.Errorf("there is no key %q", req.GetKey())
	}
	return &keyvaluev1.GetResponse{Entry: &keyvaluev1.Entry{
		Key: "a", Etag: "e-1", Content: &keyvaluev1.Entry_Value{Value: "1"},
	}}, nil
}

func serve(t *testing.T, ready bool) string {
	t.Helper()
	server := rpc.NewServer(one{}, rpc.Config{
		Checks: admission.NewChecks(auth.Single("default", "secret"), nil),
		Ready:  func(context.Context) bool { return ready },
		Log:    slog.New(slog.DiscardHandler),
	})
	return wiretest.ServeRPC(t, rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler()), server)
}

// A Get over Connect can be an HTTP GET, which caches understand.
func TestGetByHTTPIsCacheable(t *testing.T) {
	base := serve(t, true) + keyvaluev1connect.KeyValueServiceGetProcedure +
		"?encoding=json&message=" + url.QueryEscape(`{"key":"a"}`)
	for _, test := range []struct {
		name        string
		ifNoneMatch []string
		want        int
	}{
		{"no condition", nil, http.StatusOK},
		{"the same version", []string{`"e-1"`}, http.StatusNotModified},
		{"the same version, weak", []string{`W/"e-1"`}, http.StatusNotModified},
		{"one of several", []string{`"x"`, `"e-1"`}, http.StatusNotModified},
		{"any version", []string{"*"}, http.StatusNotModified},
		{"another version", []string{`"e-0"`}, http.StatusOK},
		{"a malformed condition", []string{"e-1"}, http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodGet, base, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"X-Api-Key": {"secret"}, "If-None-Match": test.ifNoneMatch}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != test.want {
				t.Fatalf("status = %d with %s, want %d", res.StatusCode, body, test.want)
			}
			if test.want < 400 && res.Header.Get("ETag") != `"e-1"` {
				t.Errorf("ETag = %q", res.Header.Get("ETag"))
			}
			if test.want == http.StatusNotModified && len(body) != 0 {
				t.Errorf("304 came with a body: %s", body)
			}
		})
	}
}

func TestHealthNeedsNoKey(t *testing.T) {
	spec := connect.Spec{Procedure: healthv1.Health_Check_FullMethodName}
	for _, wire := range wiretest.Wires() {
		for ready, want := range map[bool]healthv1.HealthCheckResponse_ServingStatus{
			true: healthv1.HealthCheckResponse_SERVING, false: healthv1.HealthCheckResponse_NOT_SERVING,
		} {
			client := connect.NewClient(wire.Transport(t, serve(t, ready)))
			for _, name := range []string{"", keyvaluev1connect.KeyValueServiceName} {
				var res healthv1.HealthCheckResponse
				err := client.CallUnary(t.Context(), spec, &healthv1.HealthCheckRequest{Service: name}, &res)
				if err != nil || res.GetStatus() != want {
					t.Errorf("over %s: Check(%q) = %v, %v; want %v", wire.Name, name, res.GetStatus(), err, want)
				}
			}
			err := client.CallUnary(t.Context(), spec, &healthv1.HealthCheckRequest{Service: "x"}, &healthv1.HealthCheckResponse{})
			if connect.CodeOf(err) != connect.CodeNotFound {
				t.Errorf("over %s: Check of an unknown service = %v, want not_found", wire.Name, err)
			}
		}
	}
}

func TestReflectionDescribesTheServices(t *testing.T) {
	for _, wire := range wiretest.Wires() {
		stream := grpcreflect.NewClient(connect.NewClient(wire.Transport(t, serve(t, true), "x-api-key", "secret"))).
			NewStream(t.Context())
		names, err := stream.ListServices()
		if err != nil {
			t.Fatalf("over %s: ListServices = %v", wire.Name, err)
		}
		for _, want := range []string{keyvaluev1connect.KeyValueServiceName, "grpc.health.v1.Health"} {
			if !slices.ContainsFunc(names, func(n protoreflect.FullName) bool { return string(n) == want }) {
				t.Errorf("over %s: services = %v, want %s among them", wire.Name, names, want)
			}
		}
		for _, symbol := range []protoreflect.FullName{keyvaluev1connect.KeyValueServiceName, "google.rpc.ErrorInfo"} {
			if _, err := stream.FileContainingSymbol(symbol); err != nil {
				t.Errorf("over %s: no description of %s: %v", wire.Name, symbol, err)
			}
		}
		_ = stream.Close()
	}
}

func TestEveryMethodNeedsAKeyBeforeItsMessageIsRead(t *testing.T) {
	server := rpc.NewServer(one{}, rpc.Config{
		Checks: admission.NewChecks(auth.Single("default", "secret"), nil), Ready: func(context.Context) bool { return true },
		Log: slog.New(slog.DiscardHandler),
	})
	methods := 0
	for spec := range server.Specs() {
		if rpc.Public(spec.Procedure) {
			continue
		}
		err := server.Call(t.Context(), spec.Procedure, nil, unread{t})
		methods++
		if contract.ReasonOf(err) != contract.APIKeyInvalid {
			t.Errorf("%s without a key = %v, want API_KEY_INVALID", spec.Procedure, err)
		}
	}
	if want := len(contract.Methods()) + 2; methods != want { // reflection has two versions
		t.Errorf("%d methods need a key, want %d", methods, want)
	}
	if err := server.Call(t.Context(), "/keyvalue.v1.KeyValueService/Nope", nil, unread{t}); contract.ReasonOf(err) != contract.APIKeyInvalid {
		t.Errorf("a method that does not exist, without a key = %v, want API_KEY_INVALID", err)
	}
}

// A service makes the same checks in the same order as a gateway: a caller without the token is told so although the
// service is full, and no message is read.
func TestAFullServiceAuthenticatesFirst(t *testing.T) {
	limiter := admission.New(admission.Config{Calls: 1})
	if err := limiter.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	server := rpc.NewServer(one{}, rpc.Config{
		Checks: admission.NewChecks(auth.Single("gateway", "secret"), limiter),
		Ready:  func(context.Context) bool { return true },
		Log:    slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	for token, want := range map[string]contract.Reason{"": contract.APIKeyInvalid, "wrong": contract.APIKeyInvalid, "secret": contract.Overloaded} {
		for _, procedure := range []string{keyvaluev1connect.KeyValueServiceGetProcedure, keyvaluev1connect.KeyValueServiceBatchProcedure} {
			log.Reset()
			info := &connect.CallInfo{PeerAddr: "192.0.2.1:1"}
			info.RequestHeader().Set("Authorization", "Bearer "+token)
			err := server.Call(t.Context(), procedure, info, unread{t})
			if contract.ReasonOf(err) != want || !strings.Contains(log.String(), "reason="+string(want)) {
				t.Errorf("%s with the token %q = %v, logged as %s; want %s", procedure, token, err, log.String(), want)
			}
		}
	}
}

// unread is the stream of a call that must be rejected before its message is read.
type unread struct{ t *testing.T }

func (u unread) Receive(any) error { u.t.Error("the message was read"); return io.EOF }
func (unread) SendHeaders() error  { return nil }
func (u unread) Send(any) error    { u.t.Error("something was sent"); return nil }
