package redis

import (
	"context"
	"slices"

	"key-value/kvservice/store"
)

const (
	// replayChanges is how many changes of a shard are read at a time.
	replayChanges = 64
	// readAhead is how many bytes a watch reads at a time: of changes from all its shards together, or of a snapshot.
	readAhead = 128 << 10
)

// replay returns the changes after from, up to until, of the shards of w, read from the shards. It may also return
// some at from. Reading it fails with [store.ErrResumeTooOld] if some are no longer kept.
func (w *watch) replay(from, until position) *merge[change] {
	before := func(a, b change) bool { return a.before(b.position) }
	return newMerge(w.shards, before, func(ctx context.Context, sources []*source[change]) error {
		requests := make([]pollRequest, len(sources))
		for i, s := range sources {
			after := from.revision - 1 // other shards may have a change at this revision
			if s.rounds > 0 {
				after = s.latest.revision
			}
			requests[i] = pollRequest{shard: s.shard, after: after, changes: replayChanges, bytes: readAhead / len(w.shards)}
		}
		for i, p := range w.engine.poll(ctx, requests) {
			if err := w.take(sources[i], p, from, until); err != nil {
				return err
			}
		}
		return nil
	})
}

// take fills s with the changes that its shard returned.
func (w *watch) take(s *source[change], p pollResult, from, until position) error {
	known := from
	if s.rounds > 0 {
		known = s.latest.position
	}
	next := position{p.last, s.shard}
	if len(p.changes) > 0 {
		next = position{p.changes[0].previous, s.shard}
	}
	epoch := w.epochs[slices.Index(w.shards, s.shard)]
	switch {
	case p.err != nil:
		return p.err
	case p.epoch != epoch || known.before(next):
		return store.ErrResumeTooOld
	}
	s.done = p.complete()
	for n, c := range p.changes {
		if until.before(c.position) {
			p.changes, s.done = p.changes[:n], true
			break
		}
	}
	s.buffer = p.changes
	return nil
}

// whole returns c with its entry once there is memory for it. It returns false if the watch had to drop what it had read.
func (w *watch) whole(ctx context.Context, c change) (change, bool, error) {
	if c.kind != store.Put {
		w.granted = 0
		return c, true, nil
	}
	if ok, err := w.makeRoom(ctx, len(c.key)+c.size); !ok || err != nil {
		return c, false, err
	}
	w.granted = 0
	if c.packed != "" {
		return c, true, nil
	}
	p := w.engine.poll(ctx, []pollRequest{{shard: c.shard, after: c.revision - 1, changes: 1}})[0]
	switch {
	case p.err != nil:
		return c, false, p.err
	case p.epoch != w.epochs[slices.Index(w.shards, c.shard)] || len(p.changes) == 0 || p.changes[0].position != c.position:
		return c, false, store.ErrResumeTooOld
	}
	return p.changes[0], true, nil
}
