package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"

	"key-value/gateway/rest"
)

// constant returns the same entry from every Get, at no cost.
type constant struct {
	keyvaluev1connect.KeyValueServiceClient
	res *keyvaluev1.GetResponse
}

func (c constant) Get(context.Context, *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	return c.res, nil
}

// discard is a response writer that discards everything.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkGet measures the cost of this package in a read.
func BenchmarkGet(b *testing.B) {
	f := newFake()
	entry, err := f.Get(b.Context(), &keyvaluev1.GetRequest{Key: "hello"})
	if err != nil {
		b.Fatal(err)
	}
	handler := rest.New(constant{res: entry}, rest.Config{})
	r := httptest.NewRequest(http.MethodGet, "/v1/values/hello", nil)
	w := discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
}
