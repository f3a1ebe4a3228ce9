package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/cache"
	"key-value/client/clienttest"
)

func TestACacheHasWhatExistsAndFollowsChanges(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "config/a", "1")
	set(t, kv, "config/b", "1")
	set(t, kv, "other", "1")
	c := open(t, kv, cache.Prefix("config/"))
	wantValue(t, c, "config/a", "1")
	wantValue(t, c, "config/b", "1")
	wantNone(t, c, "other")
	wantNone(t, c, "config/c")

	waitRevision(t, c, set(t, kv, "config/a", "2").Revision)
	wantValue(t, c, "config/a", "2")
	waitRevision(t, c, set(t, kv, "config/c", "\xff\x00").Revision)
	wantValue(t, c, "config/c", "\xff\x00")
	waitRevision(t, c, remove(t, kv, "config/b"))
	wantNone(t, c, "config/b")
	waitRevision(t, c, set(t, kv, "config/b", "again").Revision)
	wantValue(t, c, "config/b", "again")
}

func TestAnEntryOfTheCacheIsWhole(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1", client.TTL(time.Hour))
	c := open(t, kv)
	want, err := kv.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	got, _ := c.Get("a")
	if got.ETag != want.ETag || got.Revision != want.Revision || !got.UpdateTime.Equal(want.UpdateTime) ||
		got.ExpireTime.Sub(want.ExpireTime).Abs() > time.Second || (got.TTL-want.TTL).Abs() > time.Minute {
		t.Errorf("Get = %+v, want %+v", got, want)
	}
}

func TestATouchChangesTheTTLAndKeepsTheValue(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1")
	c := open(t, kv)
	for _, ttl := range []time.Duration{time.Hour, 0, time.Minute} {
		var opts []client.TouchOption
		if ttl > 0 {
			opts = append(opts, client.TTL(ttl))
		}
		touched, err := kv.Touch(t.Context(), "a", opts...)
		if err != nil {
			t.Fatal(err)
		}
		waitRevision(t, c, touched.Revision)
		entry := wantValue(t, c, "a", "1")
		if entry.ETag != touched.ETag || entry.TTL > ttl || entry.TTL < ttl/2 {
			t.Errorf("after a Touch for %v, the entry has ETag %q and TTL %v, want %q", ttl, entry.ETag, entry.TTL, touched.ETag)
		}
	}
}

func TestRangeIsInOrderAndBelowAPrefix(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	for _, key := range []string{"b/2", "a/1", "b/1", "c", "b/10"} {
		set(t, kv, key, "of "+key)
	}
	c := open(t, kv)
	for prefix, want := range map[string][]string{
		"": {"a/1", "b/1", "b/10", "b/2", "c"}, "b/": {"b/1", "b/10", "b/2"}, "b/1": {"b/1", "b/10"}, "d": nil,
	} {
		var keys []string
		for entry := range c.Range(prefix) {
			if string(entry.Value) != "of "+entry.Key {
				t.Errorf("%s has value %q", entry.Key, entry.Value)
			}
			keys = append(keys, entry.Key)
		}
		if !slices.Equal(keys, want) {
			t.Errorf("Range(%q) = %v, want %v", prefix, keys, want)
		}
	}
	for entry := range c.Range("") {
		if entry.Key != "a/1" {
			t.Errorf("the first key is %s, want a/1", entry.Key)
		}
		break
	}
}

// A range never yields a version older than one that was seen during it.
func TestRangeYieldsWhatIsInTheCacheWhenItGetsThere(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1")
	set(t, kv, "b", "1")
	set(t, kv, "c", "1")
	c := open(t, kv)
	var got []string
	for entry := range c.Range("") {
		if entry.Key == "a" {
			set(t, kv, "b", "2")
			waitRevision(t, c, remove(t, kv, "c"))
		}
		got = append(got, entry.Key+string(entry.Value))
	}
	if want := []string{"a1", "b2"}; !slices.Equal(got, want) {
		t.Errorf("Range = %v, want %v", got, want)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1", client.TTL(time.Hour))
	set(t, kv, "b", "1")
	c, few := open(t, kv), open(t, kv, cache.OnDemand(10_000))
	if _, err := few.Fetch(bounded(t), "a"); err != nil {
		t.Fatal(err)
	}
	keys := []string{"a", "b", "c"}
	for _, key := range keys {
		for _, cache := range []*cache.Cache{c, few} {
			if n := testing.AllocsPerRun(100, func() { cache.Get(key) }); n != 0 {
				t.Errorf("Get(%s) allocates %v times", key, n)
			}
		}
	}
}

func TestAKeyOutsideThePrefixIsAnError(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "other", "1")
	c := open(t, kv, cache.Prefix("config/"))
	wantNone(t, c, "other")
	for name, read := range map[string]func(context.Context, string) (client.Entry, error){"Fetch": c.Fetch, "GetFresh": c.GetFresh} {
		_, err := read(bounded(t), "other")
		if want := `key outside the prefix of the cache: "other" does not begin with "config/"`; !errors.Is(err, cache.ErrOutsidePrefix) || err.Error() != want {
			t.Errorf("%s = %v, want %s", name, err, want)
		}
	}
}

func TestAClosedCacheKeepsWhatItHad(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1")
	c := open(t, kv)
	c.Close()
	c.Close()
	last := set(t, kv, "a", "2").Revision
	wantValue(t, c, "a", "1")
	c.OnChange(func(string, client.Entry, bool) { t.Error("a callback is called after Close") })
	_, fetch := c.Fetch(bounded(t), "a")
	_, fresh := c.GetFresh(bounded(t), "a")
	for name, err := range map[string]error{
		"Err": c.Err(), "WaitRevision": c.WaitRevision(bounded(t), last), "Fetch": fetch, "GetFresh": fresh,
	} {
		if !errors.Is(err, cache.ErrClosed) {
			t.Errorf("%s = %v, want ErrClosed", name, err)
		}
	}
}

func TestCloseEndsAWait(t *testing.T) {
	t.Parallel()
	c := open(t, clienttest.New(t).Client)
	done := make(chan error)
	go func() { done <- c.WaitRevision(bounded(t), 1<<63) }()
	c.Close()
	if err := <-done; !errors.Is(err, cache.ErrClosed) {
		t.Errorf("WaitRevision = %v, want ErrClosed", err)
	}
}

func TestNewFailsAtOnceIfItAlwaysWould(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	scoped := s.Dial(client.WithAPIKey(s.Key(client.Grant{Prefix: "config/", Ops: []string{"read"}})))
	writer := s.Dial(client.WithAPIKey(s.Key(client.Grant{Ops: []string{"write"}})))
	rows := []struct {
		name string
		kv   *client.Client
		opts []cache.Option
		want error
	}{
		{"all keys with a key for some", scoped, nil, client.ErrPermissionDenied},
		{"an empty prefix with a key for some", scoped, []cache.Option{cache.Prefix("")}, client.ErrPermissionDenied},
		{"on demand too", scoped, []cache.Option{cache.OnDemand(1000)}, client.ErrPermissionDenied},
		{"a key that may only write", writer, []cache.Option{cache.Prefix("config/")}, client.ErrPermissionDenied},
		{"no key", s.Dial(client.WithAPIKey("wrong")), nil, client.ErrUnauthenticated},
		{"a prefix that no key has", s.Client, []cache.Option{cache.Prefix("a\x00")}, client.ErrInvalid},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c, err := cache.New(bounded(t), row.kv, row.opts...)
			if !errors.Is(err, row.want) || c != nil {
				t.Errorf("New = %v, want %v", err, row.want)
			}
		})
	}
	open(t, scoped, cache.Prefix("config/"))
	_, err := cache.New(bounded(t), s.Client, cache.OnDemand(0))
	if want := "invalid bound of 0 bytes: want at least 1"; err == nil || err.Error() != want {
		t.Errorf("New = %v, want %s", err, want)
	}
}

func TestNewGivesUpWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	unreachable := dial(t, "http://127.0.0.1:1")
	done := make(chan error)
	go func() {
		_, err := cache.New(ctx, unreachable, cache.Log(logging(func(string) { cancel() })))
		done <- err
	}()
	if err := <-done; !errors.Is(err, context.Canceled) || !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("New = %v, want one that is context.Canceled and ErrUnavailable", err)
	}
}

func TestManyReadersShareOneWatch(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	c := open(t, kv)
	for range 10 {
		defer c.OnChange(func(string, client.Entry, bool) {})()
	}
	for i := range 10 {
		waitRevision(t, c, set(t, kv, fmt.Sprint(i), "1").Revision)
		if _, err := c.Fetch(bounded(t), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if stats, err := kv.Stats(bounded(t)); err != nil || stats.Watchers != 1 {
		t.Errorf("the store has %d watches, %v; want 1", stats.Watchers, err)
	}
}
