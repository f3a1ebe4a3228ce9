package cache_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"key-value/client"
	"key-value/client/cache"
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

func dial(t testing.TB, url string, opts ...client.Option) *client.Client {
	t.Helper()
	kv, err := client.New(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kv.Close)
	return kv
}

// open returns a cache that logs nothing, unless opts say so.
func open(t testing.TB, kv *client.Client, opts ...cache.Option) *cache.Cache {
	t.Helper()
	c, err := cache.New(bounded(t), kv, append([]cache.Option{cache.Log(slog.New(slog.DiscardHandler))}, opts...)...)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

func set(t testing.TB, kv *client.Client, key, value string, opts ...client.WriteOption) client.Entry {
	t.Helper()
	entry, _, err := kv.Set(bounded(t), key, []byte(value), opts...)
	if err != nil {
		t.Fatalf("Set(%s) = %v", key, err)
	}
	return entry
}

// remove deletes key and returns the revision of that.
func remove(t testing.TB, kv *client.Client, key string) uint64 {
	t.Helper()
	results, err := kv.Batch(bounded(t), client.OpDelete(key))
	if err != nil || results[0].Err != nil {
		t.Fatalf("Delete(%s) = %v, %v", key, results, err)
	}
	return results[0].Revision
}

func waitRevision(t testing.TB, c *cache.Cache, revision uint64) {
	t.Helper()
	if err := c.WaitRevision(bounded(t), revision); err != nil {
		t.Fatalf("WaitRevision = %v", err)
	}
}

func wantValue(t testing.TB, c *cache.Cache, key, want string) client.Entry {
	t.Helper()
	entry, ok := c.Get(key)
	if !ok || string(entry.Value) != want {
		t.Fatalf("Get(%s) = %q, %v; want %q", key, entry.Value, ok, want)
	}
	return entry
}

func wantNone(t testing.TB, c *cache.Cache, key string) {
	t.Helper()
	if entry, ok := c.Get(key); ok {
		t.Fatalf("Get(%s) = %q, want none", key, entry.Value)
	}
}

// eventually waits until the cache says so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	ctx := bounded(t)
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatalf("it does not happen that %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// logging returns a logger that calls f with the text of each record.
func logging(f func(text string)) *slog.Logger {
	return slog.New(slog.NewTextHandler(writerFunc(f), nil))
}

type writerFunc func(string)

func (f writerFunc) Write(p []byte) (int, error) {
	f(string(p))
	return len(p), nil
}
