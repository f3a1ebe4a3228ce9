package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/gateway"
	"key-value/gateway/rest"
	"key-value/internal/auth"
	"key-value/internal/observe"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// sink is a response that goes nowhere.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkRESTGet is one REST read in one process, from behind the socket to the engine and back: as it is, while it is
// measured, and while it is also traced.
func BenchmarkRESTGet(b *testing.B) {
	metrics := observe.NewMetrics("test", "test")
	b.Run("plain", func(b *testing.B) { benchmarkRESTGet(b, nil) })
	b.Run("measured", func(b *testing.B) {
		benchmarkRESTGet(b, observe.Observer{Log: silent, Metrics: metrics}, metrics.ServeBatches)
	})
	for _, sampler := range []string{"always_off", "always_on"} {
		b.Run("traced/"+sampler, func(b *testing.B) {
			tracing := newTracing(b, sampler)
			benchmarkRESTGet(b, observe.Observer{Log: silent, Metrics: metrics, Tracing: tracing}, metrics.ServeBatches, tracing.ServeCalls)
		})
	}
}

// newTracing returns what sends traces to somebody who drops them.
func newTracing(b *testing.B, sampler string) *observe.Tracing {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(receiver.Close)
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	b.Setenv("OTEL_TRACES_SAMPLER", sampler)
	tracing, err := observe.NewTracing(b.Context(), "test", "test", os.Getenv, silent)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = tracing.Close() })
	return tracing
}

func benchmarkRESTGet(b *testing.B, observer rest.Observer, inside ...connect.ServerInterceptor) {
	engine := memory.New(memory.Options{})
	defer engine.Close()
	value := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for i := range 1000 {
		if _, err := engine.Do(b.Context(), store.Operation{Kind: store.Set, Key: fmt.Sprint("key-", i), Value: value}); err != nil {
			b.Fatal(err)
		}
	}
	service := rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: silent, Interceptors: inside,
	})
	handler := gateway.New(gateway.NewClient(rpc.InProcess(service), silent), gateway.Config{
		Keys: auth.Single("default", apiKey), State: server.NewState(), Log: silent, Observer: observer,
	})
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/values/key-7", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		handler.ServeHTTP(w, req)
	}
}
