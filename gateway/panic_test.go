package gateway_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/gateway"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/hop"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
)

// panicking is an engine that panics on the key "panic".
type panicking struct{ client }

func (p panicking) Get(ctx context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	if req.GetKey() == "panic" {
		panic("a secret cause")
	}
	return p.client.Get(ctx, req)
}

func TestAPanicIsLoggedAndNotRevealed(t *testing.T) {
	t.Parallel()
	var log strings.Builder // the calls are sequential
	client := hop.NewClient(rpc.InProcess(service(newEngine(t), nil)), hop.Config{Log: silent})
	g := gateway.New(panicking{client}, gateway.Config{
		Keys: auth.Single("default", apiKey), State: server.NewState(), Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	url := wiretest.ServeRPC(t, g, g.RPC)
	got := ask(t, http.MethodGet, url+"/v1/values/panic", "")
	if got.status != http.StatusInternalServerError || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("REST: %d %s, want 500 and a problem", got.status, got.body)
	}
	told := []string{got.body}
	for _, wire := range wiretest.Wires() {
		kv := wire.Dial(t, url, "x-api-key", apiKey)
		_, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "panic"})
		if connect.CodeOf(err) != connect.CodeInternal {
			t.Errorf("over %s: %v, want internal", wire.Name, err)
		}
		told = append(told, err.Error())
		if _, err := kv.Set(t.Context(), set("other", wire.Name)); err != nil {
			t.Errorf("over %s, the next call = %v", wire.Name, err)
		}
	}
	for _, text := range told {
		if strings.Contains(text, "secret cause") || strings.Contains(text, "goroutine") || strings.Contains(text, ".go") {
			t.Errorf("the response reveals the panic: %s", text)
		}
	}
	if n := strings.Count(log.String(), "a secret cause"); n != len(told) || !strings.Contains(log.String(), "panic_test.go") {
		t.Errorf("the log has %d panics, want %d with their stacks:\n%s", n, len(told), log.String())
	}
}
