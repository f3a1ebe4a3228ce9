package redis

import (
	"fmt"
	"math"
	"slices"
	"time"

	"key-value/kvservice/store"
)

// shardPatience is how long a shard may fail to answer before its watches end.
const shardPatience = 5 * time.Second

// inboxBytes bounds the memory of all inboxes together, in bytes: they hold only what is among the latest changes.
const inboxBytes = 8 << 20

// tail is the dispatcher's position in a shard.
type tail struct {
	epoch   uint64    // zero: unknown, and the shard has no watches
	upTo    uint64    // all changes up to this revision have been read
	dropped uint64    // changes up to this revision may have been dropped after they were read
	pending []change  // the changes after dispatcher.merged, except dropped ones
	failing time.Time // since when the shard has not answered; zero: it answers
}

// advanceLocked processes the progress of shard i. If changes are missing, it ends the shard's watches: the changes
// were trimmed, or lost with a primary.
func (d *dispatcher) advanceLocked(i int, p pollResult) {
	t := &d.tails[i]
	if p.err != nil {
		d.failLocked(i, p.err)
		return
	}
	t.failing = time.Time{}
	if t.epoch == 0 {
		t.epoch, t.upTo = p.epoch, max(p.upTo, d.merged.revision)
		t.dropped = t.upTo
		return
	}
	if t.epoch != p.epoch || p.missing(t.upTo) {
		t.pending, t.dropped = nil, p.upTo
		d.endLocked(i, store.ErrResumeTooOld)
	} else {
		for _, c := range p.changes {
			d.read += int64(len(c.key) + len(c.packed))
			c.read = d.read
			t.pending = append(t.pending, c)
			d.registry.OfKey(c.key, func(w *watch) { w.inbox.Add(c) })
		}
	}
	t.epoch, t.upTo = p.epoch, p.upTo
}

// missing reports whether changes after a revision are no longer there.
func (p pollResult) missing(after uint64) bool {
	if len(p.changes) == 0 {
		return p.last > after
	}
	return p.changes[0].previous > after
}

// failLocked records that shard i did not answer.
func (d *dispatcher) failLocked(i int, err error) {
	t := &d.tails[i]
	switch now := time.Now(); {
	case t.failing.IsZero():
		t.failing = now
	case now.Sub(t.failing) > shardPatience:
		d.endLocked(i, fmt.Errorf("%w: %w", store.ErrUnavailable, err))
		t.epoch, t.pending = 0, nil
	}
}

// endLocked ends the watches of shard i.
func (d *dispatcher) endLocked(i int, err error) {
	d.registry.Each(func(w *watch) {
		if slices.Contains(w.shards, i) {
			w.inbox.Fail(err)
		}
	})
}

// trimLocked empties the inboxes that hold older changes than inboxBytes allows. Between two trims, an eighth of that may
// be read.
func (d *dispatcher) trimLocked() {
	if d.read < d.nextTrim {
		return
	}
	d.nextTrim = d.read + inboxBytes/8
	d.registry.Each(func(w *watch) { w.inbox.DropIf(func(c change) bool { return c.read <= d.read-inboxBytes*7/8 }) })
}

// mergeLocked delivers to watches of prefixes the changes up to the position that all shards have passed. Shards that
// have no watches do not hold it up.
func (d *dispatcher) mergeLocked() {
	upTo := uint64(math.MaxUint64)
	for _, t := range d.tails {
		if t.epoch != 0 {
			upTo = min(upTo, t.upTo)
		}
	}
	if upTo == math.MaxUint64 {
		return
	}
	var ready []change
	for i := range d.tails {
		t := &d.tails[i]
		n := 0
		for n < len(t.pending) && t.pending[n].revision <= upTo {
			n++
		}
		ready, t.pending = append(ready, t.pending[:n]...), t.pending[n:]
	}
	slices.SortFunc(ready, func(a, b change) int {
		if a.before(b.position) {
			return -1
		}
		return 1
	})
	for _, c := range ready {
		d.registry.OfPrefixes(c.key, func(w *watch) { w.inbox.Add(c) })
	}
	d.merged = position{upTo, len(d.tails)}
}
