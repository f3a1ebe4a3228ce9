package redis

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"key-value/kvservice/store"
)

// question is what to ask a shard about how far it is.
type pollRequest struct {
	shard   int
	after   uint64 // return changes behind this revision
	changes int    // how many at most; zero: none
	due     int    // how many keys at most that have expired and that nobody has heard of
}

// progress is how far a shard is.
type pollResult struct {
	epoch   uint64
	upTo    uint64 // all changes up to this revision have been returned, and there will be no others
	last    uint64 // the revision of the last change
	due     []string
	changes []change // oldest first
	err     error
}

// whole says whether all changes have been returned. It may say no without need.
func (p pollResult) complete() bool {
	return len(p.changes) == 0 || p.changes[len(p.changes)-1].revision < p.upTo
}

// askTimeout is how long a shard may take to say how far it is. Those that answer wait with it for those that do not.
const askTimeout = 3 * time.Second

// ask asks shards how far they are. All changes that are made after it has asked come behind what it had seen before.
func (e *Engine) poll(ctx context.Context, requests []pollRequest) []pollResult {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	parts := make([]part, len(requests))
	seen := e.seenText()
	for i, q := range requests {
		parts[i].call = call{
			function: "poll", keys: e.shards[q.shard].fixed,
			args: []string{seen, decimal(q.after), strconv.Itoa(q.changes), strconv.Itoa(q.due)},
		}
	}
	all := make([]pollResult, len(requests))
	for i, r := range e.send(asking, parts) {
		p := &all[i]
		p.err = p.read(requests[i].shard, read(r))
		switch {
		case p.err == nil:
			e.observe(p.upTo)
		case ctx.Err() == nil && asking.Err() != nil:
			p.err = fmt.Errorf("%w: no answer in %v", store.ErrUnavailable, askTimeout)
		}
	}
	return all
}

func (p *pollResult) read(shard int, a answer) error {
	if a.err != nil {
		return pollError(a.err)
	}
	var err error
	for i, field := range []*uint64{&p.epoch, &p.upTo, &p.last} {
		if *field, err = number(a.items, i); err != nil {
			return err
		}
	}
	if p.due, err = texts(a.items, 3); err != nil {
		return err
	}
	changes, err := texts(a.items, 4)
	if err != nil {
		return err
	}
	p.changes = make([]change, len(changes))
	for i, packed := range changes {
		if p.changes[i], err = unpackChange(shard, packed); err != nil {
			return err
		}
	}
	return nil
}

// cut is a place between the changes of some shards: all that were acknowledged before it was asked for come before
// it, and all that are made afterwards come behind it.
type cut struct {
	position
	epochs []uint64 // of the shards, in the order in which they were named; zero: it did not answer
}

// cut finds a cut through shards: behind what any of them has now. It asks a second time so that those which are not
// there yet skip to it. If some do not answer, it is the cut of the others, with an error.
func (e *Engine) cut(ctx context.Context, numbers []int) (c cut, err error) {
	c = cut{position: position{shard: len(e.shards)}, epochs: make([]uint64, len(numbers))}
	requests := make([]pollRequest, len(numbers))
	for i, number := range numbers {
		requests[i].shard = number
	}
	for i, p := range e.poll(ctx, requests) {
		err = cmp.Or(err, p.err)
		c.epochs[i], c.revision = p.epoch, max(c.revision, p.upTo)
	}
	if len(numbers) == 1 {
		return c, e.closed(err)
	}
	for i, p := range e.poll(ctx, requests) {
		err = cmp.Or(err, p.err)
		c.epochs[i] = p.epoch
	}
	return c, e.closed(err)
}

const (
	// sweepInterval is how long a key that has expired may be without an event if nobody watches.
	sweepInterval = time.Second
	// dueKeys is how many keys of a shard are swept at a time.
	dueKeys = 100
)

// sweep makes changes of what has expired, until the engine is closed. All programs that use the data do so, each at
// its own time; the functions see to it that each expiry becomes one change.
func (e *Engine) sweep() {
	requests := make([]pollRequest, len(e.shards))
	for i := range requests {
		requests[i] = pollRequest{shard: i, due: dueKeys}
	}
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(sweepInterval/2 + rand.N(sweepInterval)):
		}
		for more := true; more && e.ctx.Err() == nil; {
			more = e.expire(e.ctx, e.poll(e.ctx, requests))
		}
	}
}

// expire makes changes of the keys that are due, and says whether there may be more of them. What fails is due again
// the next time.
func (e *Engine) expire(ctx context.Context, all []pollResult) (more bool) {
	var parts []part
	for number, p := range all {
		if len(p.due) == 0 {
			continue
		}
		ops := make([]store.Operation, len(p.due))
		for i, key := range p.due {
			ops[i] = store.Operation{Kind: store.Get, Key: key}
		}
		c, err := e.apply(&e.shards[number], false, ops...)
		if err == nil {
			parts = append(parts, part{call: c})
		}
		more = more || len(p.due) == dueKeys
	}
	for _, r := range e.send(ctx, parts) {
		if read(r).err != nil {
			return false
		}
	}
	return more
}
