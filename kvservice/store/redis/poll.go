package redis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"key-value/kvservice/store"
)

// pollRequest asks for the progress of a shard.
type pollRequest struct {
	shard   int
	after   uint64 // return changes after this revision
	changes int    // maximum number of changes; zero: none
	bytes   int    // return no more changes after so many bytes, and longer ones without their entry; zero: pollBytes, all whole
	due     int    // maximum number of expired keys to return that have no change yet
}

// pollBytes is after how many bytes an answer of a shard ends, unless fewer are requested.
const pollBytes = 256 << 10

// pollResult is the progress of a shard.
type pollResult struct {
	epoch   uint64
	upTo    uint64 // all changes up to this revision have been returned, and no more will be made
	last    uint64 // the revision of the latest change
	due     []string
	changes []change  // oldest first
	now     time.Time // by the shard's clock
	err     error
}

// complete reports whether all changes have been returned. It may report false when they have.
func (p pollResult) complete() bool {
	return len(p.changes) == 0 || p.changes[len(p.changes)-1].revision < p.upTo
}

// pollTimeout is how long to wait for the progress of a shard. The shards that answer wait for those that do not.
const pollTimeout = 3 * time.Second

// poll polls shards. All changes made after the call come after those that the engine had seen before it.
func (e *Engine) poll(ctx context.Context, requests []pollRequest) []pollResult {
	asking, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	parts := make([]part, len(requests))
	seen, sent := e.seenText(), e.clock.Read()
	for i, q := range requests {
		bytes, whole := pollBytes, math.MaxInt32
		if q.bytes > 0 {
			bytes, whole = q.bytes, q.bytes
		}
		parts[i].call = call{
			function: "poll", keys: e.shards[q.shard].fixed,
			args: []string{seen, decimal(q.after), strconv.Itoa(q.changes), strconv.Itoa(q.due), strconv.Itoa(bytes), strconv.Itoa(whole)},
		}
	}
	all := make([]pollResult, len(requests))
	answers, received := e.send(asking, parts), e.clock.Read()
	for i, r := range answers {
		p := &all[i]
		p.err = p.read(requests[i].shard, read(r))
		switch {
		case p.err == nil:
			e.observe(p.upTo)
			e.shards[requests[i].shard].clock.Observe(sent, received, p.now)
		case ctx.Err() == nil && asking.Err() != nil:
			p.err = fmt.Errorf("%w: no answer within %v", store.ErrUnavailable, pollTimeout)
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
	now, err := number(a.items, 5)
	if err != nil {
		return err
	}
	p.now, p.changes = time.UnixMilli(int64(now)), make([]change, len(changes))
	for i, packed := range changes {
		if p.changes[i], err = unpackChange(shard, packed); err != nil {
			return err
		}
	}
	return nil
}

// cut is a consistent cut through the changes of some shards: all changes acknowledged before it was requested come
// before it, and all made afterwards come after it.
type cut struct {
	position
	epochs []uint64 // of the shards, in the requested order; zero: the shard did not answer
}

// cut returns a cut after the latest change of any of the shards. It polls twice, so that shards that are behind
// advance to it. If some shards do not answer, it returns the cut of the others and an error.
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
	// sweepInterval is how long an expired key may be without an event if nothing watches it.
	sweepInterval = time.Second
	// dueKeys is how many keys of a shard are swept at a time.
	dueKeys = 100
)

// sweep records expired keys as changes until the engine is closed. All programs that use the data do this
// independently; the functions ensure that each expiry becomes one change.
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

// expire records the expired keys in results as changes, and reports whether there may be more. Keys for which it
// fails are due again next time.
func (e *Engine) expire(ctx context.Context, results []pollResult) (more bool) {
	var parts []part
	for number, p := range results {
		if len(p.due) == 0 {
			continue
		}
		ops := make([]store.Operation, len(p.due))
		for i, key := range p.due {
			ops[i] = store.Operation{Kind: store.Get, Key: key}
		}
		c, err := e.apply(&e.shards[number], false, store.BatchBytes, ops...)
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
