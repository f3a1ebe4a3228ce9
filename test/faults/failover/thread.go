package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// thread is what a watch has told since it began, across all its cuts, until its end by RESUME_TOO_OLD.
type thread struct {
	about    string // the key or the prefix
	one      bool   // whether it is a key
	snapshot bool   // whether it began with one

	token  string             // of the last event that had one
	since  time.Duration      // when it was known that all that follows will be told
	synced bool               // whether since is known
	copied map[string]content // :: key → what it has, as told
	base   map[string]int     // :: key of a book → the number from which told goes on; none: what is told first
	told   map[string][]int   // :: key of a book → the numbers told behind base
}

// content is what a key has.
type content struct{ value, etag string }

func newThread(about string, one, snapshot bool) *thread {
	return &thread{
		about: about, one: one, snapshot: snapshot,
		copied: map[string]content{}, base: map[string]int{}, told: map[string][]int{},
	}
}

// clone returns a copy from which another watch goes on.
func (t *thread) clone() *thread {
	c := *t
	c.copied, c.base, c.told = maps.Clone(t.copied), maps.Clone(t.base), maps.Clone(t.told)
	for key, numbers := range c.told {
		c.told[key] = slices.Clone(numbers)
	}
	return &c
}

func (t *thread) holds(key string) bool {
	return key == t.about || !t.one && strings.HasPrefix(key, t.about)
}

// put takes an event that a key has been written.
func (t *thread) put(key string, c content, token string) {
	t.copied[key] = c
	t.tell(key, c.value, token)
}

// remove takes an event that a key is gone.
func (t *thread) remove(key, token string) {
	delete(t.copied, key)
	t.tell(key, "0", token)
}

// tell notes which write of a book was told. Other keys have contents that are no numbers.
func (t *thread) tell(key, value, token string) {
	if token != "" {
		t.token = token
	}
	if number, err := strconv.Atoi(value); err == nil && t.synced && isBook(key) {
		t.told[key] = append(t.told[key], number)
	}
}

// sync takes the event that all that follows will be told. Those later on say no more than their token.
func (t *thread) sync(token string, now time.Duration) {
	t.token = token
	if t.synced {
		return
	}
	t.synced, t.since = true, now
	for key, c := range t.copied {
		if number, err := strconv.Atoi(c.value); err == nil && isBook(key) {
			t.base[key] = number
		}
	}
}

// behind says what has not been told of what there is, while nobody writes. Empty: nothing.
func (t *thread) behind(listing map[string]content, books []*book) string {
	if !t.synced {
		return "it has not begun"
	}
	for key, c := range t.copied {
		if listing[key] != c {
			return fmt.Sprintf("it told that %s has %v, but it has %v", key, c, listing[key])
		}
	}
	for key, c := range listing {
		if _, ok := t.copied[key]; !ok && t.snapshot && t.holds(key) {
			return fmt.Sprintf("it did not tell that %s has %v", key, c)
		}
	}
	for _, b := range books {
		if _, ok := t.copied[b.key]; !ok && t.holds(b.key) && t.due(b) {
			return fmt.Sprintf("it did not tell of the last write of %s", b.key)
		}
	}
	return ""
}

// due says whether a watch without a snapshot must have told what b has.
func (t *thread) due(b *book) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current > 0 && b.writes[b.current-1].sent > t.since
}

// judge returns what is wrong with what was told of b since it was last judged. Alive says that the watch has told
// all that there is, and goes on.
func (t *thread) judge(b *book, alive bool) error {
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
		if number < 1 || number > len(b.writes) || b.writes[number-1].state == refused {
			return fmt.Errorf("a watch of %q told write %d of %s, which was never made", t.about, number, b.key)
		}
		if had[number] {
			return fmt.Errorf("a watch of %q told write %d of %s twice", t.about, number, b.key)
		}
		had[number] = true
		if b.writes[number-1].state == unanswered {
			continue // it may come at any time
		}
		if err := t.step(b, at, number, known, had); err != nil {
			return err
		}
		at, known = number, true
		t.base[b.key] = at
	}
	if alive && known && b.current > 0 && b.writes[b.current-1].state == answered && at != b.current && !had[b.current] {
		return fmt.Errorf("a watch of %q goes on behind write %d of %s, which now has %d", t.about, at, b.key, b.current)
	}
	return nil
}

// step returns what is wrong with a watch that told write number of b right after write at. It is called with b.mu held.
func (t *thread) step(b *book, at, number int, known bool, had map[int]bool) error {
	if known && number <= at {
		return fmt.Errorf("a watch of %q told write %d of %s behind write %d", t.about, number, b.key, at)
	}
	if known && at > 0 && b.writes[at-1].state == lost && b.writes[number-1].state != lost {
		return fmt.Errorf("a watch of %q told write %d of %s, which is lost, and went on with write %d", t.about, at, b.key, number)
	}
	for i := at + 1; i < number; i++ {
		w := b.writes[i-1]
		if w.state == answered && !had[i] && (known || w.sent > t.since) {
			return fmt.Errorf("a watch of %q has a gap: write %d of %s came behind write %d, without %d", t.about, number, b.key, at, i)
		}
	}
	return nil
}
