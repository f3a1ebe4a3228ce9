package grpclane_test

import (
	"context"
	"runtime"
	"testing"

	"connectrpc.com/connect/v2"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
)

func message(t *testing.T, key string) []byte {
	t.Helper()
	data, err := proto.Marshal(&keyvaluev1.GetRequest{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return wiretest.Message(data)
}

// ask sends a request and returns the grpc-status of the response.
func ask(t *testing.T, url, procedure, contentType string, body []byte, fields ...string) string {
	t.Helper()
	p := wiretest.DialPeer(t, url)
	p.Greet()
	p.Request(1, p.Post(procedure, contentType, fields...), body)
	for {
		header := wiretest.Next[*http2.MetaHeadersFrame](p)
		if header == nil {
			return "the connection ended"
		}
		if code := wiretest.Field(header, "grpc-status"); code != "" {
			return code
		}
	}
}

func TestBadCallsGetTheCodesOfConnect(t *testing.T) {
	url := serve(t, echo)
	one := message(t, "a")
	two := append(message(t, "a"), message(t, "b")...)
	const (
		ok, invalidArgument, exhausted = "0", "3", "8"
		unimplemented, internal        = "12", "13"
	)
	for name, test := range map[string]struct {
		procedure, contentType string
		body                   []byte
		fields                 []string
		want                   string
	}{
		"a good call":                 {unary, "application/grpc", one, nil, ok},
		"the same with its codec":     {unary, "application/grpc+proto", one, nil, ok},
		"the same in JSON":            {unary, "application/grpc+json", wiretest.Message([]byte(`{"key":"a"}`)), nil, ok},
		"identity as encoding":        {unary, "application/grpc", one, []string{"grpc-encoding", "identity"}, ok},
		"no message":                  {unary, "application/grpc", nil, nil, unimplemented},
		"no message for a stream":     {server, "application/grpc", nil, nil, unimplemented},
		"two messages":                {unary, "application/grpc", two, nil, unimplemented},
		"two messages for a stream":   {server, "application/grpc", two, nil, unimplemented},
		"two messages of a stream":    {bidi, "application/grpc", two, nil, ok},
		"no message of a stream":      {client, "application/grpc", nil, nil, ok},
		"not protobuf":                {unary, "application/grpc", wiretest.Message([]byte{0xff}), nil, invalidArgument},
		"not JSON":                    {unary, "application/grpc+json", wiretest.Message([]byte("{")), nil, invalidArgument},
		"an unknown field":            {unary, "application/grpc+json", wiretest.Message([]byte(`{"kee":"a"}`)), nil, invalidArgument},
		"not UTF-8":                   {unary, "application/grpc", wiretest.Message([]byte{0x0a, 1, 0xff}), nil, invalidArgument},
		"half a message":              {unary, "application/grpc", one[:len(one)-1], nil, internal},
		"half a prefix":               {unary, "application/grpc", one[:3], nil, internal},
		"unknown flags":               {unary, "application/grpc", append([]byte{2}, one[1:]...), nil, internal},
		"compressed without encoding": {unary, "application/grpc", append([]byte{1}, one[1:]...), nil, internal},
		"compressed with gzip":        {unary, "application/grpc", append([]byte{1}, one[1:]...), []string{"grpc-encoding", "gzip"}, unimplemented},
		"an unknown codec":            {unary, "application/grpc+xml", one, nil, unimplemented},
		"an unknown method":           {"/test.v1.Test/Nope", "application/grpc", one, nil, unimplemented},
		"an unknown service":          {"/nope.v1.Nope/Nope", "application/grpc", one, nil, unimplemented},
		"too long by one":             {unary, "application/grpc", wiretest.Message(make([]byte, limit+1)), nil, exhausted},
		"2 GiB declared":              {unary, "application/grpc", []byte{0, 0x7f, 0xff, 0xff, 0xff}, nil, exhausted},
		"4 GiB declared":              {bidi, "application/grpc", []byte{0, 0xff, 0xff, 0xff, 0xff}, nil, exhausted},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(t, url, test.procedure, test.contentType, test.body, test.fields...); got != test.want {
				t.Errorf("grpc-status = %s, want %s", got, test.want)
			}
		})
	}
}

func TestADeclaredLengthAllocatesNothing(t *testing.T) {
	url := serve(t, echo)
	ask(t, url, unary, "application/grpc", message(t, "a")) // so that what is allocated once does not count
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ask(t, url, unary, "application/grpc", []byte{0, 0x7f, 0xff, 0xff, 0xff})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated for a message that never arrived", took)
	}
}

// A message that cannot be read ends a stream, even if its handler goes on.
func TestNothingIsReadAfterABrokenMessage(t *testing.T) {
	errs := make(chan error, 2)
	url := serve(t, func(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
		errs <- stream.Receive(&keyvaluev1.GetRequest{})
		errs <- stream.Receive(&keyvaluev1.GetRequest{})
		return nil
	})
	ask(t, url, bidi, "application/grpc", append(wiretest.Message(make([]byte, limit+1)), message(t, "a")...))
	for range 2 {
		if err := <-errs; connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("Receive = %v, want resource_exhausted", err)
		}
	}
}
