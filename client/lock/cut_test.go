package lock_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/lock"
	"key-value/internal/testkit/cutproxy"
	"key-value/internal/testkit/wiretest"
)

// Connections break all the time, so answers to writes get lost. No caller begins while another has the lock and an open
// context, and all of them get it.
func TestALockIsExclusiveWhileConnectionsBreak(t *testing.T) {
	t.Parallel()
	url := wiretest.Serve(t, handle(newEngine(t)))
	p := cutproxy.New(t, url, func() int64 { return 800 + rand.Int64N(4000) })
	r := &resource{}
	var holder atomic.Pointer[context.Context]
	var all sync.WaitGroup
	for range 8 {
		l := newLock(t, dial(t, p.URL), lock.TTL(3*time.Second))
		all.Go(func() {
			for range 6 {
				held := persistently(t, l)
				if held == nil {
					return
				}
				ctx := held.Context()
				if other := holder.Swap(&ctx); other != nil && (*other).Err() == nil {
					t.Error("two callers hold the lock")
				}
				if !r.write(held.Fence()) {
					t.Errorf("the fence %d follows a greater one", held.Fence())
				}
				holder.CompareAndSwap(&ctx, nil)
				if err := held.Unlock(); err != nil && !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, lock.ErrLost) {
					t.Errorf("Unlock = %v", err)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d connections were cut", p.Count())
	if p.Count() == 0 {
		t.Error("no connection was cut")
	}
}

// persistently takes the lock, although the calls that join the queue may get no answer.
func persistently(t *testing.T, l *lock.Lock) *lock.Held {
	for {
		held, err := l.Lock(t.Context())
		switch {
		case err == nil:
			return held
		case !errors.Is(err, client.ErrUnavailable):
			t.Errorf("Lock = %v", err)
			return nil
		}
	}
}
