package redis

import (
	"fmt"
	"math"
	"slices"
	"time"

	"key-value/kvservice/store"
)

// feedPatience is how long a shard may go without an answer before its watches end.
const shardPatience = 5 * time.Second

// tail is where the feed is in a shard.
type tail struct {
	epoch   uint64    // zero: not known yet, so that nobody watches the shard
	upTo    uint64    // all changes up to this revision have been read
	dropped uint64    // some up to this revision may have been dropped since
	pending []change  // those behind feed.merged, but for what was dropped
	failing time.Time // since when it has not answered; zero: it does
}

// advanceLocked takes what shard i has answered. Changes that are missing end its watches: they have been dropped, or
// the shard has lost them with its primary.
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
		t.pending = append(t.pending, p.changes...)
		for _, c := range p.changes {
			d.registry.deliverToKey(c)
		}
	}
	t.epoch, t.upTo = p.epoch, p.upTo
	d.last = max(d.last, p.last)
}

// missing says whether changes behind after are no longer there.
func (p pollResult) missing(after uint64) bool {
	if len(p.changes) == 0 {
		return p.last > after
	}
	return p.changes[0].previous > after
}

// failLocked takes note that shard i did not answer.
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
	for _, w := range d.registry.each(i) {
		w.inbox.fail(err)
	}
}

// mergeLocked gives watches of prefixes the changes up to the place that all shards have passed, but for those that
// nobody can watch.
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
		d.registry.deliverToPrefixes(c)
	}
	d.merged = position{upTo, len(d.tails)}
}
