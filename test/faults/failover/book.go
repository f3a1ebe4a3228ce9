package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// book has all writes of one key, which has one writer. The writes are numbered from 1, and their numbers are the
// contents. Times are since the run began.
type book struct {
	key string

	mu      sync.Mutex
	writes  []write // :: number - 1; guarded by mu
	current int     // the write that the key has, as its writer last knew; 0: there is no key; guarded by mu
	etag    string  // of current; guarded by mu
	unsure  bool    // whether the writer must look again what the key has; guarded by mu
	acked   int     // the highest number that was acknowledged; guarded by mu
}

// write is what became of one write.
type write struct {
	sent, acked time.Duration
	etag        string
	state       state
}

type state int

const (
	unanswered state = iota // it may have been carried out, once, at any time
	answered                // acknowledged
	refused                 // certainly not carried out
	lost                    // acknowledged, and gone with its primary
)

// begin adds a write, and returns its number and the version that the key should have before it.
func (b *book) begin(now time.Duration) (number int, etag string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes = append(b.writes, write{sent: now})
	return len(b.writes), b.etag
}

// answer takes note that a write was acknowledged.
func (b *book) answer(number int, etag string, now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.writes[number-1]
	w.acked, w.etag, w.state = now, etag, answered
	b.current, b.etag, b.acked = number, etag, number
}

// fail takes note that a write was refused, or has no answer.
func (b *book) fail(number int, s state) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes[number-1].state, b.unsure = s, true
}

func (b *book) isUnsure() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unsure
}

// acknowledged returns the latest number that was acknowledged: who reads from now on reads that or a later one.
func (b *book) acknowledged() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked
}

// loss is a write that was acknowledged and is gone.
type loss struct {
	key, etag   string
	number      int
	sent, acked time.Duration
}

// find takes note of what the key has, as one read it that nobody wrote beside, and returns what is lost by that.
func (b *book) find(content, etag string) ([]loss, error) {
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
	case w.state == refused:
		return losses, fmt.Errorf("%s has write %d, which was refused", b.key, number)
	case w.state == lost:
		return losses, fmt.Errorf("%s has write %d again, which was lost", b.key, number)
	case w.etag != "" && w.etag != etag:
		return losses, fmt.Errorf("%s has write %d with the etag %s, which was acknowledged with %s", b.key, number, etag, w.etag)
	}
	return losses, nil
}

// numberLocked reads a content. Nothing is number 0.
func (b *book) numberLocked(content string) (int, error) {
	if content == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(content)
	if err != nil || n < 1 || n > len(b.writes) {
		return 0, fmt.Errorf("%s has %q, which nobody wrote", b.key, content)
	}
	return n, nil
}

// stale is a read that returned less than was acknowledged before it began.
type stale struct {
	book     *book
	got, was int
}

// read says whether a read that began when was had been acknowledged could be stale: unless the writes between are
// lost, which becomes known later.
func (b *book) read(content string, was int) (stale, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	got, err := b.numberLocked(content)
	return stale{b, got, was}, got < was, err
}

// check fails unless the writes between are lost.
func (s stale) check() error {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	for i := s.got; i < s.was; i++ {
		if s.book.writes[i].state == answered {
			return fmt.Errorf("a read of %s returned write %d after write %d was acknowledged", s.book.key, s.got, i+1)
		}
	}
	return nil
}
