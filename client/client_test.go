package client_test

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"testing"
	"time"

	"key-value/client"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

func TestValuesAreReturnedUnchanged(t *testing.T) {
	t.Parallel()
	kv := start(t)
	for name, value := range map[string][]byte{
		"text":              []byte("héllo\n"),
		"nothing":           {},
		"bytes":             {0, 0xff, 0xfe, '\n'},
		"a NUL":             {0},
		"the longest value": bytes.Repeat([]byte{0xff}, contract.DefaultValueBytes),
	} {
		t.Run(name, func(t *testing.T) {
			written, created, err := kv.Set(t.Context(), name, value)
			if err != nil || !created {
				t.Fatalf("Set = %v, %v; want a new key", created, err)
			}
			read, err := kv.Get(t.Context(), name)
			if err != nil || !bytes.Equal(read.Value, value) || !bytes.Equal(written.Value, value) {
				t.Errorf("Get = %d bytes, %v; want the %d bytes that were set", len(read.Value), err, len(value))
			}
			if read.Key != name || read.ETag != written.ETag || !read.UpdateTime.Equal(written.UpdateTime) {
				t.Errorf("Get = %+v, want what Set returned: %+v", read, written)
			}
			if read.ETag == "" || time.Since(read.UpdateTime).Abs() > time.Minute || !read.ExpireTime.IsZero() {
				t.Errorf("Get = %+v, want an etag, an update time and no expiry", read)
			}
		})
	}
}

func TestDeleteReportsWhetherTheKeyExisted(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "a", "1")
	for _, want := range []bool{true, false} {
		if deleted, err := kv.Delete(t.Context(), "a"); err != nil || deleted != want {
			t.Errorf("Delete = %v, %v; want %v", deleted, err, want)
		}
	}
	_, err := kv.Get(t.Context(), "a")
	wantError(t, "Get of a deleted key", err, client.ErrNotFound)
}

func TestConditions(t *testing.T) {
	t.Parallel()
	set := func(opts ...client.WriteOption) func(*client.Client, context.Context) error {
		return func(kv *client.Client, ctx context.Context) error {
			_, _, err := kv.Set(ctx, "a", []byte("2"), opts...)
			return err
		}
	}
	remove := func(opts ...client.Condition) func(*client.Client, context.Context) error {
		return func(kv *client.Client, ctx context.Context) error {
			_, err := kv.Delete(ctx, "a", opts...)
			return err
		}
	}
	touch := func(opts ...client.TouchOption) func(*client.Client, context.Context) error {
		return func(kv *client.Client, ctx context.Context) error {
			_, err := kv.Touch(ctx, "a", opts...)
			return err
		}
	}
	for _, test := range []struct {
		name   string
		exists bool
		write  func(*client.Client, context.Context) error
		want   error
	}{
		{"set if absent, absent", false, set(client.IfAbsent()), nil},
		{"set if absent, exists", true, set(client.IfAbsent()), client.ErrExists},
		{"set if exists, exists", true, set(client.IfExists()), nil},
		{"set if exists, absent", false, set(client.IfExists()), client.ErrAbsent},
		{"set with another etag", true, set(client.IfMatch("nope")), client.ErrETagMismatch},
		{"set with an etag, absent", false, set(client.IfMatch("nope")), client.ErrETagMismatch},
		{"set with two conditions, the last of which holds", true, set(client.IfAbsent(), client.IfExists()), nil},
		{"delete with another etag", true, remove(client.IfMatch("nope")), client.ErrETagMismatch},
		{"delete if exists, absent", false, remove(client.IfExists()), client.ErrAbsent},
		{"touch, absent", false, touch(), client.ErrNotFound},
		{"touch with another etag", true, touch(client.IfMatch("nope")), client.ErrETagMismatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			kv := start(t)
			if test.exists {
				mustSet(t, kv, "a", "1")
			}
			err := test.write(kv, t.Context())
			if test.want == nil {
				if err != nil {
					t.Errorf("err = %v, want success", err)
				}
				return
			}
			wantError(t, "the write", err, test.want)
			if test.exists {
				wantValue(t, kv, "a", "1")
			}
		})
	}
}

func TestAVersionIsReplacedOnce(t *testing.T) {
	t.Parallel()
	kv := start(t)
	first := mustSet(t, kv, "a", "1")
	second := mustSet(t, kv, "a", "2", client.IfMatch(first.ETag))
	_, _, err := kv.Set(t.Context(), "a", []byte("3"), client.IfMatch(first.ETag))
	wantError(t, "Set with the etag of a replaced version", err, client.ErrETagMismatch)
	if deleted, err := kv.Delete(t.Context(), "a", client.IfMatch(second.ETag)); err != nil || !deleted {
		t.Errorf("Delete = %v, %v; want the etag to match", deleted, err)
	}
}

func TestAMissingKeyMayBeAllowed(t *testing.T) {
	t.Parallel()
	kv := start(t)
	wantNone := func(what string, entry client.Entry, err error) {
		t.Helper()
		if err != nil || entry.ETag != "" || entry.Value != nil {
			t.Errorf("%s = %+v, %v; want no entry and no error", what, entry, err)
		}
	}
	entry, err := kv.Get(t.Context(), "nope", client.AllowMissing())
	wantNone("Get", entry, err)
	results, err := kv.AtomicBatch(t.Context(), client.OpGet("nope", client.AllowMissing()), client.OpSet("a", []byte("1")),
		client.OpGet("a", client.AllowMissing()))
	if err != nil {
		t.Fatalf("AtomicBatch = %v", err)
	}
	wantNone("OpGet", results[0].Entry, results[0].Err)
	if got := string(results[2].Entry.Value); got != "1" {
		t.Errorf("OpGet = %q, want 1", got)
	}
}

func TestTTL(t *testing.T) {
	t.Parallel()
	kv := start(t)
	near := func(entry client.Entry, ttl time.Duration) {
		t.Helper()
		if left := time.Until(entry.ExpireTime); left > ttl || left < ttl-time.Minute {
			t.Errorf("the entry expires in %v, want %v", left, ttl)
		}
	}
	near(mustSet(t, kv, "a", "1", client.TTL(time.Hour)), time.Hour)
	touched, err := kv.Touch(t.Context(), "a", client.TTL(2*time.Hour))
	if err != nil {
		t.Fatalf("Touch = %v", err)
	}
	near(touched, 2*time.Hour)
	read := wantValue(t, kv, "a", "1")
	near(read, 2*time.Hour)
	if read.ETag != touched.ETag {
		t.Errorf("the etag is %q, want the one that Touch returned, %q", read.ETag, touched.ETag)
	}
	if forever, err := kv.Touch(t.Context(), "a"); err != nil || !forever.ExpireTime.IsZero() {
		t.Errorf("Touch without TTL = %+v, %v; want no expiry", forever, err)
	}
	mustSet(t, kv, "a", "1", client.TTL(time.Hour))
	if forever := mustSet(t, kv, "a", "1"); !forever.ExpireTime.IsZero() {
		t.Errorf("Set without TTL = %+v, want no expiry", forever)
	}
	mustSet(t, kv, "kept", "1", client.TTL(time.Hour))
	near(mustSet(t, kv, "kept", "2", client.KeepTTL(), client.IfExists()), time.Hour)
	if forever := mustSet(t, kv, "b", "1", client.KeepTTL()); !forever.ExpireTime.IsZero() {
		t.Errorf("Set with KeepTTL of a new key = %+v, want no expiry", forever)
	}
	_, _, err = kv.Set(t.Context(), "kept", []byte("3"), client.TTL(time.Hour), client.KeepTTL())
	wantError(t, "Set with TTL and KeepTTL", err, client.ErrInvalid)
	results, err := kv.Batch(t.Context(), client.OpSet("kept", []byte("4"), client.KeepTTL()))
	if err != nil {
		t.Fatalf("Batch = %v", err)
	}
	near(results[0].Entry, time.Hour)
	for _, ttl := range []time.Duration{0, -time.Second, contract.MaxTTL + 1, math.MaxInt64} {
		_, _, err := kv.Set(t.Context(), "a", []byte("2"), client.TTL(ttl))
		wantError(t, "Set with TTL "+ttl.String(), err, client.ErrInvalid)
	}
	wantValue(t, kv, "a", "1")
}

func TestAnEntryExpiresWhenItsTTLElapses(t *testing.T) {
	t.Parallel()
	kv := start(t)
	events := watch(t, kv.WatchKey(bounded(t), "a"))
	events.want(t, "sync")
	mustSet(t, kv, "a", "1", client.TTL(time.Millisecond))
	events.want(t, "put a=1", "expire a")
	_, err := kv.Get(t.Context(), "a")
	wantError(t, "Get of an expired key", err, client.ErrNotFound)
}

func TestIncrement(t *testing.T) {
	t.Parallel()
	kv := start(t)
	for _, test := range []struct {
		name  string
		delta int64
		opts  []client.IncrementOption
		want  int64
	}{
		{"a new key starts at 0", 5, nil, 5},
		{"an existing key continues", -7, nil, -2},
		{"the initial value is for new keys only", 1, []client.IncrementOption{client.Initial(100)}, -1},
	} {
		if sum, err := kv.Increment(t.Context(), "n", test.delta, test.opts...); err != nil || sum != test.want {
			t.Errorf("%s: Increment = %d, %v; want %d", test.name, sum, err, test.want)
		}
	}
	wantValue(t, kv, "n", "-1")
	sum, err := kv.Increment(t.Context(), "m", 1, client.Initial(math.MaxInt64-1), client.TTL(time.Hour))
	if err != nil || sum != math.MaxInt64 {
		t.Errorf("Increment = %d, %v; want the largest integer", sum, err)
	}
	if m := wantValue(t, kv, "m", "9223372036854775807"); m.ExpireTime.IsZero() {
		t.Errorf("the new entry has no expiry: %+v", m)
	}
	_, err = kv.Increment(t.Context(), "m", 1)
	wantError(t, "Increment past the largest integer", err, client.ErrOverflow)
	mustSet(t, kv, "word", "seven")
	_, err = kv.Increment(t.Context(), "word", 1)
	wantError(t, "Increment of a word", err, client.ErrNotInteger)
}

func TestBadRequestsAreInvalid(t *testing.T) {
	t.Parallel()
	kv := start(t)
	for name, key := range map[string]string{
		"an empty key": "", "a control character": "a\nb", "a dot segment": "a/../b", "invalid UTF-8": "\xff",
		"too long": string(bytes.Repeat([]byte("k"), contract.MaxKeyBytes+1)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kv.Get(t.Context(), key)
			wantError(t, "Get", err, client.ErrInvalid)
			_, _, err = kv.Set(t.Context(), key, nil)
			wantError(t, "Set", err, client.ErrInvalid)
		})
	}
	_, _, err := kv.Set(t.Context(), "a", make([]byte, contract.DefaultValueBytes+1))
	wantError(t, "Set of a value over the limit", err, client.ErrTooLarge)
}

func TestAPIKeysAreSent(t *testing.T) {
	t.Parallel()
	service := kvservice.New(newEngine(t), kvservice.Config{})
	url := serve(t, service, auth.Single("default", "secret"))
	for name, opts := range map[string][]client.Option{
		"as API key":                    {client.WithAPIKey("secret")},
		"with the caller's HTTP client": {client.WithAPIKey("secret"), client.WithHTTPClient(wiretest.HTTPClient(t))},
	} {
		t.Run(name, func(t *testing.T) { mustSet(t, dial(t, url, opts...), "a", "1") })
	}
	for name, opts := range map[string][]client.Option{"no key": nil, "a wrong key": {client.WithAPIKey("nope")}} {
		t.Run(name, func(t *testing.T) {
			kv := dial(t, url, opts...)
			_, err := kv.Get(t.Context(), "a")
			wantError(t, "Get", err, client.ErrUnauthenticated)
			_, err = kv.Stats(t.Context())
			wantError(t, "Stats", err, client.ErrUnauthenticated)
			watch(t, kv.Watch(bounded(t), "")).wantError(t, client.ErrUnauthenticated)
		})
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "a", "1")
	wantValue(t, kv, "a", "1")
	_, _ = kv.Get(t.Context(), "nope")
	watch(t, kv.Watch(bounded(t), "")).want(t, "sync")
	s, err := kv.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Keys != 1 || s.Hits != 1 || s.Misses != 1 || s.Watchers != 1 || s.MemoryBytes <= 0 || s.MaxMemoryBytes != 0 {
		t.Errorf("Stats = %+v, want 1 key, hit, miss and watcher", s)
	}
	if time.Since(s.StartTime) > time.Minute || s.Uptime <= 0 || s.Guarantees.Engine != "memory" || !s.Guarantees.Linearizable {
		t.Errorf("Stats = %+v, want a linearizable engine named memory that was just started", s)
	}
}

func TestStatsHistory(t *testing.T) {
	t.Parallel()
	engine := newEngine(t)
	service := kvservice.New(engine, kvservice.Config{SampleEvery: time.Millisecond})
	t.Cleanup(service.Close)
	kv := dial(t, serve(t, service, nil))
	mustSet(t, kv, "a", "1")
	wantValue(t, kv, "a", "1")
	_, _ = kv.Get(t.Context(), "nope")
	for {
		samples, err := kv.StatsHistory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(samples) < 2 || samples[len(samples)-1].Misses == 0 {
			continue // not yet sampled
		}
		first, last := samples[0], samples[len(samples)-1]
		if first.Age <= last.Age || last.Keys != 1 || last.Hits != 1 || last.Misses != 1 || last.MemoryBytes <= 0 {
			t.Errorf("StatsHistory = %+v … %+v, want the oldest first, and then 1 key, hit and miss", first, last)
		}
		return
	}
}

func TestServiceURLsAreChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "127.0.0.1:8888", "ftp://127.0.0.1", "http://", "http://%zz"} {
		_, err := client.New(url)
		if want := `invalid service URL "` + url + `": want http://host:port`; err == nil || err.Error() != want {
			t.Errorf("New(%q) = %v, want %s", url, err, want)
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := wiretest.Serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with headers %v", r.Header)
	}))
	url := wiretest.Serve(t, http.RedirectHandler(elsewhere, http.StatusTemporaryRedirect))
	for name, opts := range map[string][]client.Option{
		"with its own HTTP client": nil, "with the caller's": {client.WithHTTPClient(wiretest.HTTPClient(t))},
	} {
		t.Run(name, func(t *testing.T) {
			kv := dial(t, url, append(opts, client.WithAPIKey("secret"))...)
			_, err := kv.Get(t.Context(), "a")
			if want := "the service answered with a redirect, which is not followed"; err == nil || err.Error() != want {
				t.Errorf("Get = %v, want %q", err, want)
			}
			if end := watch(t, kv.Watch(bounded(t), "")).end(t); end.Error() != err.Error() {
				t.Errorf("Watch = %v, want the error of Get", end)
			}
		})
	}
}
