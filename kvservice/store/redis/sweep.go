package redis

import (
	"context"
	"math/rand/v2"
	"time"

	"key-value/kvservice/store"
)

const (
	// sweepInterval is how long a key that has expired may be without an event if nobody watches.
	sweepInterval = time.Second
	// dueKeys is how many keys of a shard are swept at a time.
	dueKeys = 100
)

// sweep makes changes of what has expired, until the engine is closed. All programs that use the data do so, each at
// its own time; the functions see to it that each expiry becomes one change.
func (e *Engine) sweep() {
	questions := make([]question, len(e.shards))
	for i := range questions {
		questions[i] = question{shard: i, due: dueKeys}
	}
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(sweepInterval/2 + rand.N(sweepInterval)):
		}
		for more := true; more && e.ctx.Err() == nil; {
			more = e.expire(e.ctx, e.ask(e.ctx, questions))
		}
	}
}

// expire makes changes of the keys that are due, and says whether there may be more of them. What fails is due again
// the next time.
func (e *Engine) expire(ctx context.Context, all []progress) (more bool) {
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
