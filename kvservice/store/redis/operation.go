package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// letters name the operations in functions.lua.
var letters = map[store.Kind]string{
	store.Get: "g", store.Set: "s", store.Delete: "d", store.Touch: "t", store.Increment: "i",
}

// refusals are the letters with which functions.lua says what an operation failed with.
var refusals = map[byte]error{
	'n': store.ErrNotFound, 'V': store.ErrVersionMismatch, 'E': store.ErrExists, 'A': store.ErrAbsent,
	'N': store.ErrNotInteger, 'O': store.ErrOverflow,
}

// Do carries out one operation.
func (e *Engine) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	s := &e.shards[shardOf(op.Key, len(e.shards))]
	if op.Kind == store.Get {
		return e.readGet(op.Key, e.client.Do(ctx, e.get(s, op.Key)))
	}
	cmd, err := e.apply(s, false, op)
	if err != nil {
		return store.Result{}, err
	}
	results, err := e.readApplied(e.call(ctx, cmd), []store.Operation{op})
	if err != nil {
		return store.Result{}, err
	}
	e.feed.nudge()
	result := results[0]
	err, result.Err = result.Err, nil
	return result, err
}

// get is a read of one entry. The server answers it by itself, without a function, and knows when entries end.
func (e *Engine) get(s *shard, key string) rueidis.Completed {
	return e.client.B().Get().Key(s.entry + key).Build()
}

func (e *Engine) readGet(key string, r rueidis.RedisResult) (store.Result, error) {
	packed, err := r.ToString()
	if rueidis.IsRedisNil(err) {
		e.misses.Add(1)
		return store.Result{}, store.ErrNotFound
	}
	if err != nil {
		return store.Result{}, unread(err)
	}
	return e.found(key, packed)
}

func (e *Engine) found(key, packed string) (store.Result, error) {
	entry, err := unpackEntry(key, packed)
	if err == nil {
		e.hits.Add(1)
		e.saw(entry.Version.Revision)
	}
	return store.Result{Entry: entry}, err
}

// apply is a call that carries out operations on keys of one shard, in order; if atomic, all or none.
func (e *Engine) apply(s *shard, atomic bool, ops ...store.Operation) (call, error) {
	keys := append(make([]string, 0, len(s.fixed)+len(ops)), s.fixed...)
	args := append(make([]string, 0, 3+4*len(ops)), e.seenText(), e.historyText, flag(atomic))
	relief := true
	for _, op := range ops {
		keys = append(keys, s.entry+op.Key)
		letter, ok := letters[op.Kind]
		if !ok {
			return call{}, errKind
		}
		args = append(args, letter, condition(op), milliseconds(op.TTL), argument(op))
		relief = relief && (op.Kind == store.Get || op.Kind == store.Delete)
	}
	if relief {
		return call{function: "relieve", keys: keys, args: args}, nil
	}
	return call{function: "apply", keys: keys, args: args}, nil
}

var errKind = errors.New("no such kind of operation")

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// condition writes the precondition of op as functions.lua reads it.
func condition(op store.Operation) string {
	if op.Kind == store.Get || op.Kind == store.Increment {
		return ""
	}
	if v, ok := op.Precondition.Version(); ok {
		packed, possible := packVersion(v)
		if !possible {
			return "?" // equals no version
		}
		return packed
	}
	exists, ok := op.Precondition.Existence()
	switch {
	case !ok:
		return ""
	case exists:
		return "e"
	}
	return "a"
}

// milliseconds rounds up, so that nothing ends too early.
func milliseconds(ttl time.Duration) string {
	return strconv.FormatInt(int64((ttl+time.Millisecond-1)/time.Millisecond), 10)
}

func argument(op store.Operation) string {
	switch op.Kind {
	case store.Set:
		return stringOf(op.Value)
	case store.Increment:
		return strconv.FormatInt(op.Delta, 10) + " " + strconv.FormatInt(op.Initial, 10)
	}
	return ""
}
