package rest_test

import (
	"regexp"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectinprocess"
	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

type client = keyvaluev1connect.KeyValueServiceClient

// newService returns a client of a real service with a memory engine. It holds text in "hello", bytes in "bin",
// text with a TTL in "soon", and integers in "n" (41) and "max".
func newService(t testing.TB) client {
	t.Helper()
	kv := serviceOver(t, memory.New(memory.Options{}))
	for _, req := range []*keyvaluev1.SetRequest{
		valueOf("hello", "world"), valueOf("n", "41"), valueOf("max", "9223372036854775807"),
		{Key: "bin", Content: &keyvaluev1.SetRequest_Data{Data: []byte("\xff\x00")}},
		{Key: "soon", Content: &keyvaluev1.SetRequest_Value{Value: "gone"}, Ttl: durationpb.New(time.Hour)},
	} {
		if _, err := kv.Set(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	return kv
}

// serviceOver returns a client of a service with engine, which is closed when the test ends.
func serviceOver(t testing.TB, engine store.Engine) client {
	t.Cleanup(func() { _ = engine.Close() })
	return clientOf(kvservice.New(engine, kvservice.Config{}))
}

// clientOf returns a client that calls handler in process.
func clientOf(handler keyvaluev1connect.KeyValueServiceHandler) client {
	server := connect.NewServer()
	keyvaluev1connect.RegisterKeyValueServiceHandler(server, handler)
	return keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(connectinprocess.New(server)))
}

// runReal makes each exchange with a new service. Wanted responses contain <etag>, <revision>, <time>, <ttl> and <token> in
// place of the actual values.
func runReal(t *testing.T, exchanges []exchange) {
	t.Helper()
	runWith(t, exchanges, func(t *testing.T) client { return newService(t) })
}

var opaque = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`"etag":"[0-9a-z]+-[0-9a-z]+"`), `"etag":"<etag>"`},
	{regexp.MustCompile(`"revision":"[0-9]+"`), `"revision":"<revision>"`},
	{regexp.MustCompile(`Time":"20[0-9TZ:.-]+"`), `Time":"<time>"`},
	{regexp.MustCompile(`"ttl":"[0-9.]+s"`), `"ttl":"<ttl>"`},
	{regexp.MustCompile(`Token":"[0-9A-Za-z_-]+"`), `Token":"<token>"`},
}

// masked returns text with etags, times, TTLs and tokens masked.
func masked(text string) string {
	for _, o := range opaque {
		text = o.pattern.ReplaceAllString(text, o.with)
	}
	return text
}

// startReal serves a new service and returns its address.
func startReal(t testing.TB) string { return start(t, newService(t), rest.Config{}) }
