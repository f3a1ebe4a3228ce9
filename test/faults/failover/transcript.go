package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// transcript is what a watch has delivered since it began, across all cuts, until it ended with RESUME_TOO_OLD.
type transcript struct {
	about    string // the key or the prefix
	one      bool   // whether about is a key
	snapshot bool   // whether it began with a snapshot

	token  string             // of the latest event that had one
	since  time.Duration      // when it was known that all further changes would be delivered
	synced bool               // whether since is known
	copied map[string]content // :: key → its state, as delivered
	base   map[string]int     // :: key of a ledger → the number that told continues from; none: the first delivered
	told   map[string][]int   // :: key of a ledger → the numbers delivered after base
}

// content is the state of a key.
type content struct{ value, etag string }

func newTranscript(about string, one, snapshot bool) *transcript {
	return &transcript{
		about: about, one: one, snapshot: snapshot,
		copied: map[string]content{}, base: map[string]int{}, told: map[string][]int{},
	}
}

// clone returns a copy that another watch continues.
func (t *transcript) clone() *transcript {
	c := *t
	c.copied, c.base, c.told = maps.Clone(t.copied), maps.Clone(t.base), maps.Clone(t.told)
	for key, numbers := range c.told {
		c.told[key] = slices.Clone(numbers)
	}
	return &c
}

func (t *transcript) holds(key string) bool {
	return key == t.about || !t.one && strings.HasPrefix(key, t.about)
}

// put records the event that a key was written.
func (t *transcript) put(key string, c content, token string) {
	t.copied[key] = c
	t.tell(key, c.value, token)
}

// remove records the event that a key is gone.
func (t *transcript) remove(key, token string) {
	delete(t.copied, key)
	t.tell(key, "0", token)
}

// tell records which write of a ledger was delivered. The values of other keys are not numbers.
func (t *transcript) tell(key, value, token string) {
	if token != "" {
		t.token = token
	}
	if number, err := strconv.Atoi(value); err == nil && t.synced && isLedger(key) {
		t.told[key] = append(t.told[key], number)
	}
}

// sync records the event that all further changes will be delivered. Later ones only have a token.
func (t *transcript) sync(token string, now time.Duration) {
	t.token = token
	if t.synced {
		return
	}
	t.synced, t.since = true, now
	for key, c := range t.copied {
		if number, err := strconv.Atoi(c.value); err == nil && isLedger(key) {
			t.base[key] = number
		}
	}
}

// behind returns what is missing from the transcript while no one writes. Empty: nothing.
func (t *transcript) behind(listing map[string]content, ledgers []*ledger) string {
	if !t.synced {
		return "it has not begun"
	}
	for key, c := range t.copied {
		if listing[key] != c {
			return fmt.Sprintf("it delivered that %s has %v, but the store has %v", key, c, listing[key])
		}
	}
	for key, c := range listing {
		if _, ok := t.copied[key]; !ok && t.snapshot && t.holds(key) {
			return fmt.Sprintf("it did not deliver that %s has %v", key, c)
		}
	}
	for _, b := range ledgers {
		if _, ok := t.copied[b.key]; !ok && t.holds(b.key) && t.due(b) {
			return fmt.Sprintf("it did not deliver the last write of %s", b.key)
		}
	}
	return ""
}

// due reports whether a watch without a snapshot must have delivered the current write of b.
func (t *transcript) due(b *ledger) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current > 0 && b.writes[b.current-1].sent > t.since
}

// judge returns what is wrong with the writes of b delivered since it was last judged. Alive means that the watch has
// delivered everything and continues.
func (t *transcript) judge(b *ledger, alive bool) error {
	told := t.told[b.key]
	delete(t.told, b.key)
	if !t.synced || !t.holds(b.key) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at, known := t.base[b.key]
	known = known || t.snapshot
	had := map[int]bool{}
	for _, number := range told {
		if number < 1 || number > len(b.writes) || b.writes[number-1].state == rejected {
			return fmt.Errorf("a watch of %q delivered write %d of %s, which was never made", t.about, number, b.key)
		}
		if had[number] {
			return fmt.Errorf("a watch of %q delivered write %d of %s twice", t.about, number, b.key)
		}
		had[number] = true
		if b.writes[number-1].state == unanswered {
			continue // it may take effect at any time
		}
		if err := t.step(b, at, number, known, had); err != nil {
			return err
		}
		at, known = number, true
		t.base[b.key] = at
	}
	if alive && known && b.current > 0 && b.writes[b.current-1].state == answered && at != b.current && !had[b.current] {
		return fmt.Errorf("a watch of %q misses what follows write %d of %s, which now has write %d", t.about, at, b.key, b.current)
	}
	return nil
}

// step returns what is wrong with a watch that delivered write number of b directly after write at. It must be called
// with b.mu held.
func (t *transcript) step(b *ledger, at, number int, known bool, had map[int]bool) error {
	if known && number <= at {
		return fmt.Errorf("a watch of %q delivered write %d of %s after write %d", t.about, number, b.key, at)
	}
	if known && at > 0 && b.writes[at-1].state == lost && b.writes[number-1].state != lost {
		return fmt.Errorf("a watch of %q delivered write %d of %s, which is lost, and went on with write %d", t.about, at, b.key, number)
	}
	for i := at + 1; i < number; i++ {
		w := b.writes[i-1]
		if w.state == answered && !had[i] && (known || w.sent > t.since) {
			return fmt.Errorf("a watch of %q has a gap: write %d of %s came after write %d, without %d", t.about, number, b.key, at, i)
		}
	}
	return nil
}
