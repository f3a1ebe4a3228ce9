package redis

import (
	"context"
	"slices"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// headBytes is how much is read of entries whose size is unknown, of which there may be many.
const headBytes = 16 << 10

// readMany performs the gets at some indexes of ops. Most entries are shorter than headBytes, and read with one command
// each; of the others, it reads those that the result has room for.
func (e *Engine) readMany(ctx context.Context, ops []store.Operation, gets []int, results []store.Result) {
	heads := e.readEach(ctx, ops, gets, func(name string) rueidis.Completed {
		return e.client.B().Getrange().Key(name).Start(0).End(headBytes - 1).Build()
	})
	room := store.BatchBytes
	var long []int
	for i, r := range heads {
		at := gets[i]
		packed, err := r.ToString()
		if err == nil && packed == "" {
			err = rueidis.Nil
		}
		if len(packed) == headBytes {
			long = append(long, at)
			continue
		}
		room -= max(0, len(packed)-headerBytes)
		results[at], results[at].Err = e.readGet(ops[at], packed, err)
	}
	if len(long) > 0 {
		slices.Sort(long)
		e.readLong(ctx, ops, long, room, results)
	}
}

// readLong performs the gets at some indexes of ops, in order, except those for which room bytes are not enough.
func (e *Engine) readLong(ctx context.Context, ops []store.Operation, gets []int, room int, results []store.Result) {
	sizes := e.readEach(ctx, ops, gets, func(name string) rueidis.Completed { return e.client.B().Strlen().Key(name).Build() })
	var fitting []int
	for i, r := range sizes {
		at := gets[i]
		switch size, err := r.AsInt64(); {
		case err != nil:
			results[at].Err = readError(err)
		case int(size)-headerBytes > room:
			results[at].Err = store.ErrLeftOut
		default:
			room -= int(size) - headerBytes
			fitting = append(fitting, at)
		}
	}
	if len(fitting) == 0 {
		return
	}
	whole := e.readEach(ctx, ops, fitting, func(name string) rueidis.Completed { return e.client.B().Get().Key(name).Build() })
	for i, r := range whole {
		at := fitting[i]
		packed, err := r.ToString()
		results[at], results[at].Err = e.readGet(ops[at], packed, err)
	}
}

// readEach sends a command for the entry of each of some ops.
func (e *Engine) readEach(
	ctx context.Context, ops []store.Operation, indexes []int, command func(name string) rueidis.Completed,
) []rueidis.RedisResult {
	return e.multi(ctx, len(indexes), func(i int) rueidis.Completed {
		key := ops[indexes[i]].Key
		return command(e.shards[shardOf(key, len(e.shards))].entry + key)
	})
}
