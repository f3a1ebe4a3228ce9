package lock_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/lock"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store/memory"
)

func TestOneCallerHoldsALockAtATime(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l := newLock(t, kv)
	var inside atomic.Int32
	var last uint64 // the fence of the latest holder; guarded by the lock itself
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				held, err := l.Lock(t.Context())
				if err != nil {
					t.Errorf("Lock = %v", err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d callers hold the lock", n)
				}
				if held.Fence() <= last {
					t.Errorf("the fence %d follows %d", held.Fence(), last)
				}
				last = held.Fence()
				inside.Add(-1)
				if err := held.Unlock(); err != nil {
					t.Errorf("Unlock = %v", err)
				}
			}
		})
	}
	all.Wait()
	waitQueue(t, kv, 0)
}

func TestCallersGetALockInTheOrderOfTheirArrival(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l := newLock(t, kv)
	held := mustLock(t, l)
	var waiting []*attempt
	for i := range 5 {
		waiting = append(waiting, waitFor(t, t.Context(), l, kv, i+2))
	}
	for i, a := range waiting {
		for _, later := range waiting[i:] {
			later.waits(t)
		}
		mustUnlock(t, held)
		held = a.get(t)
	}
	mustUnlock(t, held)
}

// A caller whose place is renewed many times keeps it.
func TestRenewalsDoNotChangeTheOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, connect func() (*client.Client, func())) {
		kv, _ := connect()
		l := newLock(t, kv)
		held := mustLock(t, l)
		first := waitFor(t, t.Context(), l, kv, 2)
		time.Sleep(time.Minute)
		second := waitFor(t, t.Context(), l, kv, 3)
		time.Sleep(time.Minute)
		mustUnlock(t, held)
		held = first.get(t)
		second.waits(t)
		mustUnlock(t, held)
		mustUnlock(t, second.get(t))
	})
}

func TestTryLockDoesNotWait(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l := newLock(t, kv)
	held, err := l.TryLock(t.Context())
	if err != nil {
		t.Fatalf("TryLock = %v", err)
	}
	_, err = l.TryLock(t.Context())
	wantError(t, "TryLock of a lock that is held", err, lock.ErrHeld)
	waitQueue(t, kv, 1)
	mustUnlock(t, held)

	var won atomic.Int32
	var all sync.WaitGroup
	begin := make(chan struct{})
	for range 16 {
		all.Go(func() {
			<-begin
			held, err := l.TryLock(t.Context())
			if err == nil {
				won.Add(1)
				_ = held // nobody else may get it
			} else if !errors.Is(err, lock.ErrHeld) {
				t.Errorf("TryLock = %v", err)
			}
			t.Cleanup(func() {
				if held != nil {
					mustUnlock(t, held)
				}
			})
		})
	}
	close(begin)
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 calls of TryLock at once succeeded, want 1", won.Load())
	}
	waitQueue(t, kv, 1)
}

func TestAWaitHasALimit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, connect func() (*client.Client, func())) {
		kv, _ := connect()
		held := mustLock(t, newLock(t, kv))
		begin := time.Now()
		_, err := newLock(t, kv, lock.Wait(time.Minute)).Lock(t.Context())
		wantError(t, "Lock", err, lock.ErrHeld)
		if waited := time.Since(begin); waited != time.Minute {
			t.Errorf("Lock waited %v, want a minute", waited)
		}
		waitQueue(t, kv, 1)
		mustUnlock(t, held)
	})
}

// A caller that gives up does not hand over what it does not have.
func TestACallerThatGivesUpLeavesTheQueue(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l := newLock(t, kv)
	held := mustLock(t, l)
	ctx, giveUp := context.WithCancel(t.Context())
	second, third := waitFor(t, ctx, l, kv, 2), waitFor(t, t.Context(), l, kv, 3)
	giveUp()
	wantError(t, "Lock", second.fail(t), context.Canceled)
	waitQueue(t, kv, 2)
	third.waits(t)
	mustUnlock(t, held)
	mustUnlock(t, third.get(t))
	waitQueue(t, kv, 0)
}

func TestAHolderNoticesThatItsEntryIsGone(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l := newLock(t, kv, lock.TTL(24*time.Hour))
	held := mustLock(t, l)
	next := waitFor(t, t.Context(), l, kv, 2)
	if _, err := kv.DeleteRange(t.Context(), client.KeyRange{Prefix: "locks/{door}/"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Context().Done():
	case <-bounded(t).Done():
		t.Fatal("the context of a lock that was deleted does not end")
	}
	wantError(t, "the cause", context.Cause(held.Context()), lock.ErrLost)
	second := next.get(t) // its place was deleted too: it took another one
	if second.Fence() <= held.Fence() {
		t.Errorf("the fence %d follows %d", second.Fence(), held.Fence())
	}
	wantError(t, "Unlock of a lost lock", held.Unlock(), lock.ErrLost)
	wantError(t, "Unlock again", held.Unlock(), lock.ErrUnlocked)
	mustUnlock(t, second)
	wantError(t, "Unlock again", second.Unlock(), lock.ErrUnlocked)
	wantError(t, "the cause", context.Cause(second.Context()), lock.ErrUnlocked)
}

// A holder that unlocks before it notices that its entry is gone is told all the same.
func TestUnlockOfALockThatWasJustLostFails(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l := newLock(t, kv)
	for range 50 {
		held := mustLock(t, l)
		if existed, err := kv.Delete(t.Context(), held.Key()); !existed || err != nil {
			t.Fatalf("Delete = %t, %v", existed, err)
		}
		wantError(t, "Unlock", held.Unlock(), lock.ErrLost)
	}
}

// The context of a holder that does not reach the store ends before the store lets the next one in, and not long before.
func TestAHolderThatIsCutOffStopsBeforeTheNextOneBegins(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, connect func() (*client.Client, func())) {
		kv, cut := connect()
		other, _ := connect()
		begin := time.Now()
		held := mustLock(t, newLock(t, kv))
		next := waitFor(t, t.Context(), newLock(t, other), other, 2)
		time.Sleep(time.Minute + time.Second) // the latest renewal was a second ago
		cut()
		<-held.Context().Done()
		if after := time.Since(begin); after != time.Minute+13500*time.Millisecond {
			t.Errorf("the context ended after %v, want nine tenths of 15s after the renewal at 1m", after)
		}
		wantError(t, "the cause", context.Cause(held.Context()), lock.ErrLost)
		next.waits(t)
		second := next.get(t)
		if after := time.Since(begin); after < time.Minute+15*time.Second || after > time.Minute+16*time.Second {
			t.Errorf("the next one holds the lock after %v, want 15s after the renewal at 1m", after)
		}
		if second.Fence() <= held.Fence() {
			t.Errorf("the fence %d follows %d", second.Fence(), held.Fence())
		}
		wantError(t, "Unlock", held.Unlock(), lock.ErrLost)
		mustUnlock(t, second)
	})
}

func TestTheContextOfAHolderEndsWithItsParent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, connect func() (*client.Client, func())) {
		kv, _ := connect()
		l := newLock(t, kv)
		ctx, cancel := context.WithCancel(t.Context())
		held, err := l.Lock(ctx)
		if err != nil {
			t.Fatal(err)
		}
		next := waitFor(t, t.Context(), l, kv, 2)
		cancel()
		<-held.Context().Done()
		wantError(t, "the cause", context.Cause(held.Context()), context.Canceled)
		time.Sleep(5 * time.Minute) // it is held all the same, so that what was begun can be brought to an end
		next.waits(t)
		mustUnlock(t, held)
		mustUnlock(t, next.get(t))
	})
}

func TestALockOutlivesAStoreThatIsFull(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, memory.Options{MaxMemory: 1 << 20}, func(t *testing.T, connect func() (*client.Client, func())) {
		kv, _ := connect()
		l := newLock(t, kv, lock.Value("anna"))
		held := mustLock(t, l)
		var err error
		for size := 1 << 16; size > 0; size /= 2 { // ever smaller values, until nothing fits
			for i := 0; err == nil; i++ {
				_, _, err = kv.Set(t.Context(), fmt.Sprint(size, " ", i), make([]byte, size))
			}
			if !errors.Is(err, client.ErrFull) {
				t.Fatal(err)
			}
			err = nil
		}
		_, err = l.Lock(t.Context())
		wantError(t, "Lock in a full store", err, client.ErrFull)
		time.Sleep(time.Minute)
		if err := context.Cause(held.Context()); err != nil {
			t.Errorf("the context of the holder ended: %v", err)
		}
		mustUnlock(t, held)
	})
}

func TestOthersAreToldWhoHoldsALock(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l := newLock(t, kv)
	if _, ok, err := l.Holder(t.Context()); ok || err != nil {
		t.Errorf("Holder of a free lock = %t, %v", ok, err)
	}
	holders := make(chan lock.Holder)
	ctx, stop := context.WithCancel(bounded(t))
	var observer sync.WaitGroup
	observer.Go(func() {
		for h, err := range l.Observe(ctx) {
			if err != nil {
				wantError(t, "the end of Observe", err, context.Canceled)
				return
			}
			holders <- h
		}
	})
	if h := <-holders; h != (lock.Holder{}) {
		t.Errorf("first, Observe yields %v, want nobody", h)
	}
	for _, value := range []string{"anna:1", "", "\xff"} {
		held := mustLock(t, newLock(t, kv, lock.Value(value)))
		want := lock.Holder{Value: value, Fence: held.Fence()}
		if h := <-holders; h != want {
			t.Errorf("Observe yields %v, want %v", h, want)
		}
		if h, ok, err := l.Holder(t.Context()); h != want || !ok || err != nil {
			t.Errorf("Holder = %v, %t, %v; want %v", h, ok, err, want)
		}
		mustUnlock(t, held)
		if h := <-holders; h != (lock.Holder{}) {
			t.Errorf("after Unlock, Observe yields %v, want nobody", h)
		}
	}
	stop()
	observer.Wait()
}

// An entry of another program below the prefix of a lock is not a holder, and an observer waits beside it.
func TestAnEntryThatIsNotOfALockIsIgnored(t *testing.T) {
	t.Parallel()
	handler := handle(newEngine(t))
	var lists atomic.Int64
	url := wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/List") {
			lists.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	kv := dial(t, url)
	if _, _, err := kv.Set(t.Context(), "locks/{door}/note", []byte("do not lock")); err != nil {
		t.Fatal(err)
	}
	l := newLock(t, kv)
	next, stop := iter.Pull2(l.Observe(bounded(t)))
	defer stop()
	if h, err, _ := next(); h != (lock.Holder{}) || err != nil {
		t.Fatalf("Observe yields %v, %v, want nobody", h, err)
	}
	var held *lock.Held
	var locking sync.WaitGroup
	locking.Go(func() {
		for range 100 { // while the observer waits
			if _, err := kv.Get(t.Context(), "locks/{door}/note"); err != nil {
				t.Error(err)
			}
		}
		held = mustLock(t, l)
	})
	h, err, _ := next()
	locking.Wait()
	if h.Fence != held.Fence() || err != nil {
		t.Errorf("Observe yields %v, %v, want the holder with fence %d", h, err, held.Fence())
	}
	if n := lists.Load(); n > 3 { // two of the observer, and one of the holder
		t.Errorf("the entries were listed %d times", n)
	}
	mustUnlock(t, held)
}

func TestInvalidLocks(t *testing.T) {
	t.Parallel()
	kv := start(t)
	for what, test := range map[string]struct {
		name string
		opts []lock.Option
	}{
		"an empty name":        {"", nil},
		"a name with braces":   {"a}b", nil},
		"a name that is long":  {strings.Repeat("n", 513), nil},
		"a TTL under a second": {"a", []lock.Option{lock.TTL(999 * time.Millisecond)}},
		"a negative TTL":       {"a", []lock.Option{lock.TTL(-time.Second)}},
		"a negative wait":      {"a", []lock.Option{lock.Wait(-1)}},
	} {
		_, err := lock.New(kv, test.name, test.opts...)
		wantError(t, "New with "+what, err, client.ErrInvalid)
	}
	for what, name := range map[string]string{"a control character": "a\nb", "invalid UTF-8": "a\xff"} {
		l, err := lock.New(kv, name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Lock(bounded(t))
		wantError(t, "Lock of a name with "+what, err, client.ErrInvalid)
	}
	// Nobody waits for a store that is not there.
	_, err := newLock(t, dial(t, "http://127.0.0.1:1")).Lock(bounded(t))
	wantError(t, "Lock without a store", err, client.ErrUnavailable)
	_, err = newLock(t, dial(t, "http://127.0.0.1:1")).TryLock(bounded(t))
	wantError(t, "TryLock without a store", err, client.ErrUnavailable)
}
