package redis

import (
	"cmp"
	"context"
	"slices"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// Batch carries out operations in order. What is not atomic goes to all shards at the same time; within a shard it
// stays in order.
func (e *Engine) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	if len(ops) == 0 {
		return nil, ctx.Err()
	}
	if atomic {
		return e.atomically(ctx, ops)
	}
	parts, err := e.divide(ops)
	if err != nil {
		return nil, err
	}
	results := make([]store.Result, len(ops))
	for i, r := range e.send(ctx, parts) {
		e.readPart(parts[i], r, ops, results)
	}
	if slices.ContainsFunc(parts, func(p part) bool { return p.get == "" }) {
		e.feed.nudge()
	}
	return results, nil
}

// atomically carries out all operations or none, which must be on keys of one shard.
func (e *Engine) atomically(ctx context.Context, ops []store.Operation) ([]store.Result, error) {
	number := shardOf(ops[0].Key, len(e.shards))
	for _, op := range ops {
		if shardOf(op.Key, len(e.shards)) != number {
			return nil, store.ErrAcrossShards
		}
	}
	c, err := e.apply(&e.shards[number], true, ops...)
	if err != nil {
		return nil, err
	}
	defer e.feed.nudge()
	return e.readApplied(e.call(ctx, c), ops)
}

// part is the operations of a batch that one command carries out.
type part struct {
	indexes []int
	call    call   // of several operations, or of one that is not Get
	get     string // the key of an entry to read, if not empty
}

func (p part) command(e *Engine) rueidis.Completed {
	if p.get != "" {
		return e.client.B().Get().Key(p.get).Build()
	}
	return e.command(p.call)
}

// divide has operations on one shard stay together, unless they are all reads.
func (e *Engine) divide(ops []store.Operation) ([]part, error) {
	shards, indexes := make([]int, len(ops)), make([]int, len(ops))
	for i, op := range ops {
		shards[i], indexes[i] = shardOf(op.Key, len(e.shards)), i
	}
	slices.SortStableFunc(indexes, func(a, b int) int { return cmp.Compare(shards[a], shards[b]) })
	parts := make([]part, 0, len(ops))
	for len(indexes) > 0 {
		s, n := &e.shards[shards[indexes[0]]], 1
		for n < len(indexes) && shards[indexes[n]] == shards[indexes[0]] {
			n++
		}
		group := indexes[:n]
		indexes = indexes[n:]
		if onlyGets(ops, group) {
			for i := range group {
				parts = append(parts, part{indexes: group[i : i+1], get: s.entry + ops[group[i]].Key})
			}
			continue
		}
		c, err := e.apply(s, false, pick(ops, group)...)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{indexes: group, call: c})
	}
	return parts, nil
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

// readPart puts the results of a part where they belong.
func (e *Engine) readPart(p part, r rueidis.RedisResult, ops []store.Operation, results []store.Result) {
	if p.get != "" {
		at := p.indexes[0]
		results[at], results[at].Err = e.readGet(ops[at].Key, r)
		return
	}
	applied, err := e.readApplied(read(r), pick(ops, p.indexes))
	for i, at := range p.indexes {
		if err != nil {
			results[at].Err = err
		} else {
			results[at] = applied[i]
		}
	}
}
