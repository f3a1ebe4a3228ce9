package redis

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// Batch performs operations in order. If it is not atomic, the shards are called concurrently, and the order is kept
// within each shard.
func (e *Engine) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	if len(ops) == 0 {
		return nil, ctx.Err()
	}
	if atomic {
		return e.batchAtomic(ctx, ops)
	}
	parts, gets, err := e.divide(ops)
	if err != nil {
		return nil, err
	}
	results := make([]store.Result, len(ops))
	var reading sync.WaitGroup
	defer reading.Wait()
	if len(gets) > 0 {
		reading.Go(func() { e.readMany(ctx, ops, gets, results) })
	}
	for i, r := range e.write(ctx, parts) {
		e.readPart(ctx, parts[i], r, ops, results)
	}
	if slices.ContainsFunc(parts, func(p part) bool { return len(p.gets) == 0 }) {
		e.dispatcher.wakeUp()
	}
	return results, nil
}

// batchAtomic performs all operations or none. Their keys must be in one shard.
func (e *Engine) batchAtomic(ctx context.Context, ops []store.Operation) ([]store.Result, error) {
	number := shardOf(ops[0].Key, len(e.shards))
	for _, op := range ops {
		if shardOf(op.Key, len(e.shards)) != number {
			return nil, store.ErrAcrossShards
		}
	}
	c, err := e.apply(&e.shards[number], true, store.BatchBytes, ops...)
	if err != nil {
		return nil, err
	}
	defer e.dispatcher.wakeUp()
	return e.readApplied(e.call(ctx, c), ops)
}

// part is the operations of a batch that are sent in one command.
type part struct {
	indexes []int
	call    call     // a function, unless there are only gets
	gets    []string // the Redis keys of entries to read, if there are only gets
}

func (p part) command(e *Engine) rueidis.Completed {
	if len(p.gets) > 0 {
		return e.get(p.gets)
	}
	return e.command(p.call)
}

const (
	// fewGets is how many gets of a batch are read as a whole without knowing their sizes.
	fewGets = 8
	// leastPart is how many bytes of entries the result of a part may always have.
	leastPart = 1 << 20
)

// divide splits ops into parts by shard. Gets are the indexes of those that are no part, because they are too many to read
// without regard to their sizes.
func (e *Engine) divide(ops []store.Operation) (parts []part, gets []int, err error) {
	groups := e.byShard(len(ops), func(i int) string { return ops[i].Key })
	for _, group := range groups {
		if onlyGets(ops, group.indexes) {
			gets = append(gets, group.indexes...)
		}
	}
	many := len(gets) > fewGets
	parts = make([]part, 0, len(groups))
	for _, group := range groups {
		s, p := &e.shards[group.shard], part{indexes: group.indexes}
		if onlyGets(ops, group.indexes) {
			if many {
				continue
			}
			p.gets = make([]string, len(group.indexes))
			for n, at := range group.indexes {
				p.gets[n] = s.entry + ops[at].Key
			}
		} else if p.call, err = e.apply(s, false, max(leastPart, store.BatchBytes/len(groups)), pick(ops, group.indexes)...); err != nil {
			return nil, nil, err
		}
		parts = append(parts, p)
	}
	if !many {
		gets = nil
	}
	return parts, gets, nil
}

func onlyGets(ops []store.Operation, group []int) bool {
	return !slices.ContainsFunc(group, func(i int) bool { return ops[i].Kind != store.Get })
}

func pick(ops []store.Operation, group []int) []store.Operation {
	picked := make([]store.Operation, len(group))
	for i, at := range group {
		picked[i] = ops[at]
	}
	return picked
}

// readPart parses the results of a part into results.
func (e *Engine) readPart(ctx context.Context, p part, r rueidis.RedisResult, ops []store.Operation, results []store.Result) {
	if len(p.gets) > 0 {
		e.readGets(ctx, p, r, ops, results)
		return
	}
	applied, err := e.readApplied(read(r), pick(ops, p.indexes))
	distribute(p.indexes, applied, err, results)
	if errors.Is(err, store.ErrFull) {
		e.applyRest(ctx, p, ops, results)
	}
}

// distribute copies the results of applied operations, or their common error, to their places in results.
func distribute(indexes []int, applied []store.Result, err error, results []store.Result) {
	for i, at := range indexes {
		if err != nil {
			results[at] = store.Result{Err: err}
		} else {
			results[at] = applied[i]
		}
	}
}

// applyRest performs the operations of a part that need no memory. The node had no memory for the whole part and
// changed nothing.
func (e *Engine) applyRest(ctx context.Context, p part, ops []store.Operation, results []store.Result) {
	var rest []int
	for _, at := range p.indexes {
		if needsNoMemory(ops[at]) {
			rest = append(rest, at)
		}
	}
	if len(rest) == 0 {
		return
	}
	some := pick(ops, rest)
	c, err := e.apply(&e.shards[shardOf(some[0].Key, len(e.shards))], false, leastPart, some...)
	if err != nil {
		distribute(rest, nil, err, results)
		return
	}
	applied, err := e.readApplied(e.call(ctx, c), some)
	distribute(rest, applied, err, results)
}

func (e *Engine) readGets(ctx context.Context, p part, r rueidis.RedisResult, ops []store.Operation, results []store.Result) {
	values, err := e.values(ctx, p.gets, r)
	for i, at := range p.indexes {
		if err != nil {
			results[at].Err = readError(err)
			continue
		}
		packed, err := values[i].ToString()
		results[at], results[at].Err = e.readGet(ops[at], packed, err)
	}
}
