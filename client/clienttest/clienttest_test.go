package clienttest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"key-value/client"
	"key-value/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bounded returns a context that ends even if a test goes wrong.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func set(t testing.TB, kv *client.Client, key, value string, opts ...client.WriteOption) client.Entry {
	t.Helper()
	entry, _, err := kv.Set(t.Context(), key, []byte(value), opts...)
	if err != nil {
		t.Fatalf("Set(%s) = %v", key, err)
	}
	return entry
}

func TestAdvancingTheClockExpiresEntriesAndWatchesHearOfIt(t *testing.T) {
	s := clienttest.New(t)
	set(t, s.Client, "session/short", "", client.TTL(time.Minute))
	set(t, s.Client, "session/long", "", client.TTL(time.Hour))
	events := watch(t, s.Client, "session/")

	s.Advance(time.Minute)
	if event := next(t, events); event.Type != client.EventExpire || event.Entry.Key != "session/short" {
		t.Fatalf("the watch reports %v, want that session/short expired", event)
	}
	if _, err := s.Client.Get(t.Context(), "session/short"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Get(session/short) = %v, want ErrNotFound", err)
	}
	entry, err := s.Client.Get(t.Context(), "session/long")
	if err != nil || entry.TTL > 59*time.Minute || entry.TTL < 50*time.Minute {
		t.Errorf("Get(session/long) = a TTL of %v, %v; want 59m", entry.TTL, err)
	}
	if ahead := time.Until(entry.ExpireTime); ahead < 59*time.Minute || ahead > time.Hour {
		t.Errorf("session/long expires %v from now, want an hour by the clock of the store", ahead)
	}
}

// An entry that was due in an hour is due in a minute once the clock has moved, and nothing else wakes the store then.
func TestTheRestOfATTLElapsesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clienttest.New(t)
		set(t, s.Client, "a", "", client.TTL(time.Hour))
		events := watch(t, s.Client, "")
		s.Advance(59 * time.Minute)
		began := time.Now()
		for event := range events {
			if event.Type == client.EventSync {
				continue
			}
			if passed := time.Since(began); event.Type != client.EventExpire || passed != time.Minute {
				t.Fatalf("the watch reports %v after %v, want that a expired after 1m", event, passed)
			}
			return
		}
	})
}

func TestABubbleMovesTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clienttest.New(t)
		set(t, s.Client, "a", "", client.TTL(time.Hour))
		time.Sleep(time.Hour - time.Nanosecond)
		if _, err := s.Client.Get(t.Context(), "a"); err != nil {
			t.Errorf("a nanosecond before its TTL elapses, Get(a) = %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := s.Client.Get(t.Context(), "a"); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("when its TTL elapses, Get(a) = %v, want ErrNotFound", err)
		}
	})
}

func TestAKeyAllowsWhatItsGrantsSay(t *testing.T) {
	s := clienttest.New(t)
	set(t, s.Client, "config/color", "blue")
	set(t, s.Client, "secret/code", "1234")
	reader := s.Dial(client.WithAPIKey(s.Key(client.Grant{Prefix: "config/", Ops: []string{"read"}})))
	if entry, err := reader.Get(t.Context(), "config/color"); err != nil || string(entry.Value) != "blue" {
		t.Errorf("Get(config/color) = %q, %v", entry.Value, err)
	}
	if _, err := reader.Get(t.Context(), "secret/code"); !errors.Is(err, client.ErrPermissionDenied) {
		t.Errorf("Get(secret/code) = %v, want ErrPermissionDenied", err)
	}
	if _, _, err := reader.Set(t.Context(), "config/color", nil); !errors.Is(err, client.ErrPermissionDenied) {
		t.Errorf("Set(config/color) = %v, want ErrPermissionDenied", err)
	}
	if _, err := s.Dial(client.WithAPIKey(s.Key())).Get(t.Context(), "config/color"); !errors.Is(err, client.ErrPermissionDenied) {
		t.Errorf("without grants, Get(config/color) = %v, want ErrPermissionDenied", err)
	}
}

func TestAWatchResumesWhenItIsInterrupted(t *testing.T) {
	s := clienttest.New(t)
	events := watch(t, s.Client, "")
	for _, key := range []string{"a", "b"} {
		s.Interrupt()
		set(t, s.Dial(), key, "")
		event := next(t, events)
		for event.Type == client.EventSync { // of a watch that was resumed
			event = next(t, events)
		}
		if event.Type != client.EventPut || event.Entry.Key != key {
			t.Fatalf("the watch reports %v, want that %s was written", event, key)
		}
	}
}

func TestTheURLServesTheSameStore(t *testing.T) {
	s := clienttest.New(t)
	set(t, s.Client, "greeting", "hello")
	if first, second := s.URL(), s.URL(); first != second {
		t.Fatalf("the URL is first %s, and then %s", first, second)
	}
	req, err := http.NewRequestWithContext(bounded(t), http.MethodGet, s.URL()+"/v1/values/greeting", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", s.APIKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != `{"key":"greeting","value":"hello"}`+"\n" {
		t.Errorf("the body is %q, %v; want the entry", body, err)
	}
}

func TestTwoServicesShareNothing(t *testing.T) {
	one, other := clienttest.New(t), clienttest.New(t)
	set(t, one.Client, "a", "")
	if _, err := other.Client.Get(t.Context(), "a"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Get(a) = %v, want ErrNotFound", err)
	}
}

// watch returns the events of a prefix from now on.
func watch(t *testing.T, kv *client.Client, prefix string) <-chan client.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events, synced := make(chan client.Event, 100), make(chan struct{})
	go func() {
		defer close(events)
		first := true
		for event, err := range kv.Watch(ctx, prefix) {
			switch {
			case err != nil:
				return
			case first: // it is of type EventSync
				close(synced)
				first = false
			default:
				events <- event
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range events { // until the watch has ended
		}
	})
	<-synced
	return events
}

func next(t *testing.T, events <-chan client.Event) client.Event {
	t.Helper()
	select {
	case event := <-events:
		return event
	case <-bounded(t).Done():
		t.Fatal("the watch reports nothing")
		return client.Event{}
	}
}
