package redis

import (
	"fmt"
	"math"
	"slices"
	"time"

	"key-value/kvservice/store"
)

// feedPatience is how long a shard may go without an answer before its watches end.
const feedPatience = 5 * time.Second

// tail is where the feed is in a shard.
type tail struct {
	epoch   uint64    // zero: not known yet, so that nobody watches the shard
	upto    uint64    // all changes up to this revision have been read
	dropped uint64    // some up to this revision may have been dropped since
	waiting []change  // those behind feed.merged, but for what was dropped
	failing time.Time // since when it has not answered; zero: it does
}

// advanceLocked takes what shard i has answered. Changes that are missing end its watches: they have been dropped, or
// the shard has lost them with its primary.
func (f *feed) advanceLocked(i int, p progress) {
	t := &f.tails[i]
	if p.err != nil {
		f.failLocked(i, p.err)
		return
	}
	t.failing = time.Time{}
	if t.epoch == 0 {
		t.epoch, t.upto = p.epoch, max(p.upto, f.merged.revision)
		t.dropped = t.upto
		return
	}
	if t.epoch != p.epoch || p.missing(t.upto) {
		t.waiting, t.dropped = nil, p.upto
		f.endLocked(i, store.ErrResumeTooOld)
	} else {
		t.waiting = append(t.waiting, p.changes...)
		for _, c := range p.changes {
			f.topics.tellKey(c)
		}
	}
	t.epoch, t.upto = p.epoch, p.upto
	f.last = max(f.last, p.last)
}

// missing says whether changes behind after are no longer there.
func (p progress) missing(after uint64) bool {
	if len(p.changes) == 0 {
		return p.last > after
	}
	return p.changes[0].previous > after
}

// failLocked takes note that shard i did not answer.
func (f *feed) failLocked(i int, err error) {
	t := &f.tails[i]
	switch now := time.Now(); {
	case t.failing.IsZero():
		t.failing = now
	case now.Sub(t.failing) > feedPatience:
		f.endLocked(i, fmt.Errorf("%w: %w", store.ErrUnavailable, err))
		t.epoch, t.waiting = 0, nil
	}
}

// endLocked ends the watches of shard i.
func (f *feed) endLocked(i int, err error) {
	for _, w := range f.topics.each(i) {
		w.inbox.fail(err)
	}
}

// mergeLocked gives watches of prefixes the changes up to the place that all shards have passed, but for those that
// nobody can watch.
func (f *feed) mergeLocked() {
	upto := uint64(math.MaxUint64)
	for _, t := range f.tails {
		if t.epoch != 0 {
			upto = min(upto, t.upto)
		}
	}
	if upto == math.MaxUint64 {
		return
	}
	var ripe []change
	for i := range f.tails {
		t := &f.tails[i]
		n := 0
		for n < len(t.waiting) && t.waiting[n].revision <= upto {
			n++
		}
		ripe, t.waiting = append(ripe, t.waiting[:n]...), t.waiting[n:]
	}
	slices.SortFunc(ripe, func(a, b change) int {
		if a.before(b.position) {
			return -1
		}
		return 1
	})
	for _, c := range ripe {
		f.topics.tellPrefixes(c)
	}
	f.merged = position{upto, len(f.tails)}
}
