package gateway_test

import (
	"fmt"
	"net/http"
	"testing"

	"key-value/gateway"
	"key-value/internal/apikey"
	"key-value/internal/rpc"
	"key-value/internal/serve"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// sink is a response that goes nowhere.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkRESTGet is one REST read in one process, from behind the socket to the engine and back.
func BenchmarkRESTGet(b *testing.B) {
	engine := memory.New(memory.Options{})
	defer engine.Close()
	value := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for i := range 1000 {
		if _, err := engine.Do(b.Context(), store.Operation{Kind: store.Set, Key: fmt.Sprint("key-", i), Value: value}); err != nil {
			b.Fatal(err)
		}
	}
	handler := gateway.New(gateway.NewClient(rpc.InProcess(service(engine, nil)), silent), gateway.Config{
		Keys: apikey.Single("default", apiKey), State: serve.NewState(), Log: silent,
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
