package memory

import (
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// expireLocked removes the expired entries of one leaf. There may be none.
func (e *Engine) expireLocked(now int64) {
	e.expired = e.tree.Expire(now, e.expired)
	for _, gone := range e.expired {
		e.recordLocked(store.Expired, gone.Key(), now)
	}
	e.expirations += int64(len(e.expired))
	clear(e.expired)
	e.expired = e.expired[:0]
}

// lockSwept takes the lock, as [Engine.lock] does, at an instant when no expired entry is left. It removes them in small
// steps and releases the lock in between.
func (e *Engine) lockSwept() {
	for {
		e.lock()
		now := e.clock.Now()
		if e.tree.NextDue() > now {
			return
		}
		e.expireLocked(now)
		e.commitLocked()
		e.unlock()
	}
}

// dropOld drops old changes from the history, likewise. Snapshots that are being read keep them, because their watches
// continue with them.
func (e *Engine) dropOld() {
	for more := true; more; {
		e.mu.Lock()
		now := e.clock.Now()
		if more = e.history.nextOld() <= now && len(e.snapshots) == 0; more {
			e.history.dropOld(now)
		}
		e.mu.Unlock()
	}
}

// dropInterval is the least time between two looks at the history for old changes.
const dropInterval = int64(time.Second)

// sweep removes entries as their TTL elapses, and changes as they become old, until the engine is closed.
func (e *Engine) sweep() {
	for {
		select {
		case <-e.done:
			e.sweepTimer.Stop()
			return
		case <-e.sweepTimer.C:
		}
		e.sweepNow()
	}
}

// sweepNow removes what is due, and wakes the sweeper for what is next.
func (e *Engine) sweepNow() {
	e.dropOld()
	e.lockSwept()
	e.sweepAt = tree.Never
	e.scheduleSweepLocked(min(e.tree.NextDue(), max(e.history.nextOld(), e.clock.Now()+dropInterval)))
	e.unlock()
}

// Advance moves the engine's clock ahead, as if d had passed, which must not be negative. Entries whose TTL elapses by then
// have expired when it returns, and watches are told. It is for tests.
func (e *Engine) Advance(d time.Duration) {
	e.clock.Advance(d)
	e.sweepNow()
}

// scheduleSweepLocked wakes the sweeper at due, unless it wakes earlier anyway.
func (e *Engine) scheduleSweepLocked(due int64) {
	if due < e.sweepAt {
		e.sweepAt = due
		e.sweepTimer.Reset(time.Duration(due - e.clock.Now()))
	}
}

// deadline returns when an entry that is written at now expires. A ttl of zero means never.
func deadline(now int64, ttl time.Duration) int64 {
	if ttl <= 0 || int64(ttl) > tree.Never-now {
		return tree.Never
	}
	return now + int64(ttl)
}
