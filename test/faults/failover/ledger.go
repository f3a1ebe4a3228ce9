package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// ledger records all writes of one key, which has a single writer. Writes are numbered from 1, and the value of each is
// its number. Times are since the run began.
type ledger struct {
	key string

	mu      sync.Mutex
	writes  []write // :: number - 1; guarded by mu
	current int     // the write that the key has, as far as its writer knows; 0: the key does not exist; guarded by mu
	etag    string  // of current; guarded by mu
	unsure  bool    // whether the writer must read the key again; guarded by mu
	acked   int     // the highest acknowledged number; guarded by mu
	highest uint64  // the highest acknowledged revision; guarded by mu
}

// write is the state of one write.
type write struct {
	sent, acked time.Duration
	etag        string
	state       state
}

type state int

const (
	unanswered state = iota // it may take effect, once, at any time
	answered                // acknowledged
	rejected                // it had no effect
	lost                    // acknowledged, and lost with its primary
)

// begin adds a write, and returns its number and the version that the key should have before it.
func (b *ledger) begin(now time.Duration) (number int, etag string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes = append(b.writes, write{sent: now})
	return len(b.writes), b.etag
}

// answer records that a write was acknowledged. It returns an error unless its revision is above those of all earlier ones,
// lost ones included.
func (b *ledger) answer(number int, etag string, revision uint64, now time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.writes[number-1]
	w.acked, w.etag, w.state = now, etag, answered
	b.current, b.etag, b.acked = number, etag, number
	if revision <= b.highest {
		return fmt.Errorf("write %d of %s has revision %d, which is not above %d of an earlier one", number, b.key, revision, b.highest)
	}
	b.highest = revision
	return nil
}

// fail records that a write was rejected, or has no answer.
func (b *ledger) fail(number int, s state) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes[number-1].state, b.unsure = s, true
}

func (b *ledger) isUnsure() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unsure
}

// acknowledged returns the latest acknowledged number: a read that begins now must return that or a later one.
func (b *ledger) acknowledged() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked
}

// loss is an acknowledged write that is lost.
type loss struct {
	key, etag   string
	number      int
	sent, acked time.Duration
}

// find records what the key was found to have while no one wrote it, and returns the writes that are lost.
func (b *ledger) find(content, etag string) ([]loss, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	number, err := b.numberLocked(content)
	if err != nil {
		return nil, err
	}
	b.current, b.etag, b.unsure = number, etag, false
	var losses []loss
	for i := number; i < len(b.writes); i++ {
		if w := &b.writes[i]; w.state == answered {
			w.state = lost
			losses = append(losses, loss{b.key, w.etag, i + 1, w.sent, w.acked})
		}
	}
	if number == 0 {
		return losses, nil
	}
	switch w := b.writes[number-1]; {
	case w.state == rejected:
		return losses, fmt.Errorf("%s has write %d, which was rejected", b.key, number)
	case w.state == lost:
		return losses, fmt.Errorf("%s has write %d again, which was lost", b.key, number)
	case w.etag != "" && w.etag != etag:
		return losses, fmt.Errorf("%s has write %d with etag %s, which was acknowledged with etag %s", b.key, number, etag, w.etag)
	}
	return losses, nil
}

// numberLocked parses a value. An absent key has number 0.
func (b *ledger) numberLocked(content string) (int, error) {
	if content == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(content)
	if err != nil || n < 1 || n > len(b.writes) {
		return 0, fmt.Errorf("%s has %q, which no one wrote", b.key, content)
	}
	return n, nil
}

// stale is a read that returned an older write than was acknowledged before it.
type stale struct {
	ledger   *ledger
	got, was int
}

// read reports whether a read that began when was had been acknowledged is stale. It is an error unless the writes in
// between are lost, which is not known yet.
func (b *ledger) read(content string, was int) (stale, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	got, err := b.numberLocked(content)
	return stale{b, got, was}, got < was, err
}

// check returns an error unless the writes in between are lost.
func (s stale) check() error {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	for i := s.got; i < s.was; i++ {
		if s.ledger.writes[i].state == answered {
			return fmt.Errorf("a read of %s returned write %d after write %d was acknowledged", s.ledger.key, s.got, i+1)
		}
	}
	return nil
}
