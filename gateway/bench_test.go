package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"

	"key-value/gateway"
	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/hop"
	"key-value/internal/observe"
	"key-value/internal/observe/requestid"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// sink is a response writer that discards everything.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkRESTGet measures a REST read in one process, from the handler to the engine and back: plain, with metrics, and
// with metrics and traces.
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

// newTracing returns tracing that exports to a server which discards the traces.
func newTracing(b *testing.B, sampler string) *observe.Tracing {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(receiver.Close)
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	b.Setenv("OTEL_TRACES_SAMPLER", sampler)
	otlp, err := observe.NewOTLP(b.Context(), observe.Process{}, os.Getenv, silent)
	if err != nil {
		b.Fatal(err)
	}
	tracing, err := otlp.Tracing(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = tracing.Close(context.Background()) })
	return tracing
}

func benchmarkRESTGet(b *testing.B, observer rest.Observer, inside ...connect.ServerInterceptor) {
	handler := newBenchHandler(b, observer, inside...)
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

// BenchmarkRESTSet measures a REST write in one process, in the same way.
func BenchmarkRESTSet(b *testing.B) {
	handler := newBenchHandler(b, nil)
	text := []byte(`{"key":"key-7","value":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`)
	body := bytes.NewReader(text)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, "/v1/values", io.NopCloser(body))
	if err != nil {
		b.Fatal(err)
	}
	req.ContentLength = int64(len(text))
	req.Header = http.Header{"X-Api-Key": {apiKey}, "Content-Type": {"application/json"}}
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		body.Reset(text)
		handler.ServeHTTP(w, req)
	}
}

// BenchmarkRESTRejection measures the rejection of a listing by an overloaded gateway.
func BenchmarkRESTRejection(b *testing.B) {
	keys := auth.Single("default", apiKey)
	limiter := admission.New(admission.Config{Calls: 1, Bytes: 1 << 30, Sole: keys.Sole})
	if err := limiter.Acquire(b.Context()); err != nil {
		b.Fatal(err)
	}
	handler := gateway.New(hop.NewClient(rpc.InProcess(limitedService(nil, limiter)), hop.Config{Log: silent}), gateway.Config{
		Keys: keys, State: server.NewState(), Log: silent, Limiter: limiter,
	})
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/values?prefix=key-&pageSize=1000", http.NoBody)
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

// BenchmarkConnectGet measures the same read over Connect, in both formats.
func BenchmarkConnectGet(b *testing.B) {
	message, err := proto.Marshal(&keyvaluev1.GetRequest{Key: "key-7"})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("proto", func(b *testing.B) { benchmarkConnectGet(b, "application/proto", message) })
	b.Run("json", func(b *testing.B) { benchmarkConnectGet(b, "application/json", []byte(`{"key":"key-7"}`)) })
}

func benchmarkConnectGet(b *testing.B, contentType string, message []byte) {
	handler := newBenchHandler(b, nil)
	body := bytes.NewReader(message)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/keyvalue.v1.KeyValueService/Get", io.NopCloser(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header = http.Header{"X-Api-Key": {apiKey}, "Content-Type": {contentType}, "Connect-Protocol-Version": {"1"}}
	req.ContentLength = int64(len(message))
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		body.Reset(message)
		handler.ServeHTTP(w, req)
	}
}

// newBenchHandler returns a gateway in one process with its service, which holds 1,000 entries.
func newBenchHandler(b *testing.B, observer rest.Observer, inside ...connect.ServerInterceptor) http.Handler {
	engine := memory.New(memory.Options{})
	b.Cleanup(func() { _ = engine.Close() })
	value := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for i := range 1000 {
		if _, err := engine.Do(b.Context(), store.Operation{Kind: store.Set, Key: fmt.Sprint("key-", i), Value: value}); err != nil {
			b.Fatal(err)
		}
	}
	keys := auth.Single("default", apiKey)
	limiter := admission.New(admission.Config{Calls: 2048, Watches: 20_000, Large: 2, Bytes: 1 << 30, Sole: keys.Sole})
	service := rpc.NewServer(kvservice.New(engine, kvservice.Config{Limiter: limiter}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: silent, Interceptors: inside,
	})
	return gateway.New(hop.NewClient(rpc.InProcess(service), hop.Config{Log: silent}), gateway.Config{
		Keys: keys, State: server.NewState(), Log: silent, Observer: observer, Limiter: limiter,
	})
}

// BenchmarkHop reads one entry through every layer between a gateway and a service in another process, over loopback:
// with one caller, and with many whose calls share requests.
func BenchmarkHop(b *testing.B) {
	engine := newEngine(b)
	if _, err := engine.Do(b.Context(), store.Operation{Kind: store.Set, Key: "key", Value: make([]byte, 64)}); err != nil {
		b.Fatal(err)
	}
	metrics := observe.NewMetrics("test", "test")
	transport, err := hop.HTTP(serveService(b, engine), hop.HTTPConfig{})
	if err != nil {
		b.Fatal(err)
	}
	client := hop.NewClient(transport, hop.Config{
		Log: silent, Limiter: admission.New(admission.Config{Calls: 2048, Large: 16}), Retry: true, Breaker: true, Batch: true,
		Measure: metrics.Hop, RequestID: requestid.Pass, Credential: hop.Bearer(token),
	})
	ctx := auth.NewContext(b.Context(), auth.Internal("test"))
	get := func(b *testing.B) {
		if _, err := client.Get(ctx, &keyvaluev1.GetRequest{Key: "key"}); err != nil {
			b.Error(err)
		}
	}
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get(b)
		}
	})
	b.Run("64 callers a processor", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				get(b)
			}
		})
	})
}
