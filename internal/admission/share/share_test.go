package share_test

import (
	"sync"
	"testing"

	"key-value/internal/admission/share"
)

// fill acquires one after another for h until the limit is reached, and returns how many there were.
func fill(l *share.Limit, h *share.Holder) int {
	n := 0
	for l.Acquire(h, 1) {
		n++
	}
	return n
}

func TestEveryKeyFindsSomething(t *testing.T) {
	t.Parallel()
	l := share.New(share.Calls, 1000, nil)
	for i, least := range []int{750, 187, 46, 11, 2, 1} {
		if got := fill(l, &share.Holder{}); got < least {
			t.Errorf("key %d got %d of 1,000, want at least %d", i+1, got, least)
		}
	}
}

func TestKeysThatCompeteGetTheSame(t *testing.T) {
	t.Parallel()
	l, a, b := share.New(share.Watches, 700, nil), &share.Holder{}, &share.Holder{}
	for l.Acquire(a, 1) && l.Acquire(b, 1) {
	}
	if a.Held(share.Watches) != 300 || b.Held(share.Watches) != 300 {
		t.Errorf("two keys have %d and %d of 700, want 3/7 each", a.Held(share.Watches), b.Held(share.Watches))
	}
}

func TestTheOnlyKeyMayUseEverything(t *testing.T) {
	t.Parallel()
	sole := true
	l := share.New(share.Calls, 100, func() bool { return sole })
	if got := fill(l, &share.Holder{}); got != 100 {
		t.Errorf("the only key got %d of 100, want all", got)
	}
	if got := fill(share.New(share.Calls, 100, nil), nil); got != 100 {
		t.Errorf("callers without a key got %d of 100, want all", got)
	}
}

func TestTheFirstIsNeverTooMuch(t *testing.T) {
	t.Parallel()
	l, h := share.New(share.Bytes, 10, nil), &share.Holder{}
	if !l.Acquire(h, 10) {
		t.Error("a key could not have all that is free, as its first")
	}
	l.Release(h, 10)
	if l.Acquire(h, 11) || l.Used() != 0 || h.Held(share.Bytes) != 0 {
		t.Errorf("a key got more than there is, or what it did not get is in use: %d, %d", l.Used(), h.Held(share.Bytes))
	}
	if l.Full(h, 10) || !l.Full(h, 11) {
		t.Error("Full does not foresee what Acquire does")
	}
}

func TestForceExceedsTheLimit(t *testing.T) {
	t.Parallel()
	l, h := share.New(share.Bytes, 10, nil), &share.Holder{}
	l.Force(h, 20)
	if l.Acquire(&share.Holder{}, 1) || l.Used() != 20 {
		t.Errorf("%d are in use after Force, want 20 and no more", l.Used())
	}
}

func TestNothingIsLostBetweenManyKeys(t *testing.T) {
	t.Parallel()
	l, holders := share.New(share.Calls, 64, nil), make([]share.Holder, 4)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 10_000 {
				if l.Acquire(&holders[i%4], 3) {
					l.Release(&holders[i%4], 3)
				}
			}
		})
	}
	all.Wait()
	if l.Used() != 0 {
		t.Errorf("%d are in use after everything was released", l.Used())
	}
	for i := range holders {
		if n := holders[i].Held(share.Calls); n != 0 {
			t.Errorf("key %d holds %d after everything was released", i, n)
		}
	}
}
