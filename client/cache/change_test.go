package cache_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"key-value/client"
	"key-value/client/cache"
	"key-value/client/clienttest"
)

// recorder records the calls of a callback: "key=value", or "key" if there is no such key.
type recorder struct {
	mu    sync.Mutex
	calls []string // guarded by mu
}

func record(c *cache.Cache) *recorder {
	r := &recorder{}
	c.OnChange(r.add)
	return r
}

func (r *recorder) add(key string, entry client.Entry, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok {
		key += "=" + string(entry.Value)
	}
	r.calls = append(r.calls, key)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

// want checks the calls since the last check. They must have been made.
func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	if got := r.take(); !slices.Equal(got, want) {
		t.Fatalf("the callback was called with %q, want %q", got, want)
	}
}

func (r *recorder) wantAnyOrder(t *testing.T, want ...string) {
	t.Helper()
	if got := slices.Sorted(slices.Values(r.take())); !slices.Equal(got, want) {
		t.Fatalf("the callback was called with %q, want %q", got, want)
	}
}

// wait waits until the last call is last, and returns all of them.
func (r *recorder) wait(t *testing.T, last string) []string {
	t.Helper()
	var all []string
	eventually(t, "the callback is called with "+last, func() bool {
		all = append(all, r.take()...)
		return len(all) > 0 && all[len(all)-1] == last
	})
	return all
}

func TestACallbackHearsOfEveryChange(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	set(t, kv, "a", "1")
	c := open(t, kv)
	r := record(c)
	for _, value := range []string{"2", "3"} {
		set(t, kv, "a", value)
		if calls := r.wait(t, "a="+value); len(calls) != 1 {
			t.Errorf("one change is reported by the calls %q", calls)
		}
	}
	remove(t, kv, "a")
	r.wait(t, "a")
	set(t, kv, "b", "1")
	r.wait(t, "b=1")
}

func TestStopEndsTheCalls(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	c := open(t, kv)
	stopped, r := &recorder{}, record(c)
	stop := c.OnChange(stopped.add)
	set(t, kv, "a", "1")
	stopped.wait(t, "a=1")
	stop()
	stop()
	set(t, kv, "a", "2")
	r.wait(t, "a=2")
	stopped.want(t)
}

// A callback that blocks holds up nothing else, and then hears of the latest version of each key.
func TestACallbackThatBlocksDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	c := open(t, kv)
	entered, release := make(chan struct{}, 1000), make(chan struct{})
	slow, quick := &recorder{}, record(c)
	c.OnChange(func(key string, entry client.Entry, ok bool) {
		entered <- struct{}{}
		<-release
		slow.add(key, entry, ok)
	})
	set(t, kv, "a", "0")
	<-entered
	for i := range 100 {
		set(t, kv, "b", fmt.Sprint(i))
		waitRevision(t, c, set(t, kv, "a", fmt.Sprint(i)).Revision)
	}
	wantValue(t, c, "a", "99")
	quick.wait(t, "a=99")
	close(release)
	// The first call began with the first value.
	if calls := slow.wait(t, "a=99"); !slices.Equal(calls, []string{"a=0", "b=99", "a=99"}) {
		t.Errorf("the callback that blocked was called with %q", calls)
	}
}

func TestCloseDoesNotWaitForACallback(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	c := open(t, kv)
	closed := make(chan struct{})
	var once sync.Once
	c.OnChange(func(string, client.Entry, bool) {
		c.Close() // of all functions that block, the one that may wait for itself
		once.Do(func() { close(closed) })
	})
	set(t, kv, "a", "1")
	<-closed
}

func TestACallbackThatPanicsIsLoggedAndCalledAgain(t *testing.T) {
	t.Parallel()
	kv := clienttest.New(t).Client
	logged := make(chan string, 10)
	c := open(t, kv, cache.Log(logging(func(text string) { logged <- text })))
	other := record(c)
	c.OnChange(func(key string, entry client.Entry, _ bool) { panic("no room for " + key + string(entry.Value)) })
	for i := range 3 {
		set(t, kv, "a", fmt.Sprint(i))
		other.wait(t, fmt.Sprintf("a=%d", i))
		text := <-logged
		for _, want := range []string{"level=ERROR", `panic="no room for a` + fmt.Sprint(i), "change_test.go"} {
			if !strings.Contains(text, want) {
				t.Errorf("the log has %s, want %s in it", text, want)
			}
		}
	}
	wantValue(t, c, "a", "2")
}
