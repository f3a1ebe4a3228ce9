package redis

import "sync"

// What may wait for a reader who is slow. Beyond it the reader gets the changes from the shards, which have them
// longer.
const (
	inboxChanges = 1000
	inboxBytes   = 1 << 20
)

// inbox is changes that wait for one watch.
type inbox struct {
	ready chan struct{} // has something in it after a change

	mu      sync.Mutex
	changes []change // guarded by mu
	bytes   int      // of changes; guarded by mu
	missed  bool     // whether changes were dropped since the watch joined; guarded by mu
	err     error    // why no more changes come; guarded by mu
}

func (b *inbox) add(c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missed || b.err != nil {
		return
	}
	if len(b.changes) == inboxChanges || b.bytes > inboxBytes {
		b.missed = true
	} else {
		b.changes, b.bytes = append(b.changes, c), b.bytes+len(c.packed)
	}
	b.signal()
}

// fail has no more changes come.
func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take returns the oldest change, or false if there is none. When there is none any more, it says whether any were
// dropped, or why there will be none.
func (b *inbox) take() (c change, ok, missed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.changes) == 0 {
		b.changes = nil
		return change{}, false, b.missed, b.err
	}
	c, b.changes = b.changes[0], b.changes[1:]
	b.bytes -= len(c.packed)
	return c, true, false, nil
}

// clear makes the inbox as new.
func (b *inbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes, b.bytes, b.missed = nil, 0, false
}

func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.changes) == 0 && !b.missed && b.err == nil
}
