package lock_test

import (
	"sync"
	"testing"
)

// More callers of one client than an HTTP/2 connection takes calls: the watches of those who wait do not hold up the
// calls of the holder.
func TestVeryManyCallersOfOneClientWait(t *testing.T) {
	t.Parallel()
	const callers = 130
	kv := start(t)
	l := newLock(t, kv)
	held := mustLock(t, l)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			held, err := l.Lock(t.Context())
			if err != nil {
				t.Errorf("Lock = %v", err)
				return
			}
			if err := held.Unlock(); err != nil {
				t.Errorf("Unlock = %v", err)
			}
		})
	}
	waitQueue(t, kv, callers+1)
	if _, err := l.TryLock(t.Context()); err == nil {
		t.Error("TryLock of a lock that is held succeeded")
	}
	mustUnlock(t, held)
	all.Wait()
}
