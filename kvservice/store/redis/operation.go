package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// letters are the names of operations in functions.lua.
var letters = map[store.Kind]string{
	store.Get: "g", store.Set: "s", store.Delete: "d", store.Touch: "t", store.Increment: "i",
}

// operationErrors are the errors of operations, by their letters in functions.lua.
var operationErrors = map[byte]error{
	'n': store.ErrNotFound, 'V': store.ErrVersionMismatch, 'E': store.ErrExists, 'A': store.ErrAbsent,
	'N': store.ErrNotInteger, 'O': store.ErrOverflow, 'b': store.ErrLeftOut,
}

// Do performs one operation.
func (e *Engine) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	s := &e.shards[shardOf(op.Key, len(e.shards))]
	if op.Kind == store.Get {
		packed, err := e.client.Do(ctx, e.get([]string{s.entry + op.Key})).ToString()
		return e.readGet(op, packed, err)
	}
	cmd, err := e.apply(s, false, store.BatchBytes, op)
	if err != nil {
		return store.Result{}, err
	}
	results, err := e.readApplied(e.call(ctx, cmd), []store.Operation{op})
	if err != nil {
		return store.Result{}, err
	}
	e.dispatcher.wakeUp()
	result := results[0]
	err, result.Err = result.Err, nil
	return result, err
}

// apply returns the call that performs operations on keys of one shard, in order; if atomic, all or none. Gets after which
// the result would exceed most bytes fail with [store.ErrLeftOut].
func (e *Engine) apply(s *shard, atomic bool, most int, ops ...store.Operation) (call, error) {
	keys := append(make([]string, 0, len(s.fixed)+len(ops)), s.fixed...)
	args := append(make([]string, 0, 4+4*len(ops)), e.seenText(), e.historyText, flag(atomic), strconv.Itoa(most))
	shrinks := true
	for _, op := range ops {
		keys = append(keys, s.entry+op.Key)
		letter, ok := letters[op.Kind]
		if !ok {
			return call{}, errKind
		}
		args = append(args, letter, condition(op), lifetime(op), argument(op))
		shrinks = shrinks && needsNoMemory(op)
	}
	if shrinks {
		return call{function: "apply_oom", keys: keys, args: args}, nil
	}
	return call{function: "apply", keys: keys, args: args}, nil
}

// needsNoMemory reports whether op can be performed when no memory is left.
func needsNoMemory(op store.Operation) bool { return op.Kind == store.Get || op.Kind == store.Delete }

var errKind = errors.New("unknown kind of operation")

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// condition returns the precondition of op in the form that functions.lua expects.
func condition(op store.Operation) string {
	if op.Kind == store.Get || op.Kind == store.Increment {
		return ""
	}
	if v, ok := op.Precondition.Version(); ok {
		packed, possible := packVersion(v)
		if !possible {
			return "?" // matches no version
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

// lifetime returns the TTL of op in the form that functions.lua expects.
func lifetime(op store.Operation) string {
	if op.Kind == store.Set && op.KeepTTL {
		return "k"
	}
	return milliseconds(op.TTL)
}

// milliseconds rounds up, so that nothing expires early.
func milliseconds(ttl time.Duration) string {
	return strconv.FormatInt(int64((ttl+time.Millisecond-1)/time.Millisecond), 10)
}

func argument(op store.Operation) string {
	switch op.Kind {
	case store.Get:
		if op.AllowMissing {
			return "allowed"
		}
	case store.Set:
		return stringOf(op.Value)
	case store.Increment:
		return strconv.FormatInt(op.Delta, 10) + " " + strconv.FormatInt(op.Initial, 10)
	}
	return ""
}

// readApplied parses the result of apply for ops. Each result has its own error, unless all of ops failed.
func (e *Engine) readApplied(r answer, ops []store.Operation) ([]store.Result, error) {
	if r.err != nil {
		return nil, r.err
	}
	revision, err := number(r.items, 0)
	if err != nil {
		return nil, err
	}
	e.observe(revision)
	if len(r.items) == 3 && r.items[1].IsInt64() {
		return nil, readFailure(r.items)
	}
	results := make([]store.Result, len(ops))
	for i, op := range ops {
		reply, err := text(r.items, 1+i)
		if err != nil {
			return nil, err
		}
		results[i], results[i].Err = e.readResult(op, reply)
	}
	return results, nil
}

// readFailure parses the error of an atomic batch.
func readFailure(items []rueidis.RedisMessage) error {
	index, err := number(items, 1)
	if err != nil {
		return err
	}
	letter, err := text(items, 2)
	if err != nil || letter == "" || operationErrors[letter[0]] == nil {
		return errDamaged
	}
	return &store.BatchError{Index: int(index) - 1, Err: operationErrors[letter[0]]}
}

// readResult parses the result of one operation.
func (e *Engine) readResult(op store.Operation, reply string) (store.Result, error) {
	if reply == "" {
		return store.Result{}, errDamaged
	}
	if op.Kind == store.Get && reply == "n" {
		return e.missed(op)
	}
	if err := operationErrors[reply[0]]; err != nil {
		return store.Result{}, err
	}
	switch rest := reply[1:]; reply[0] {
	case 'g':
		return e.found(op, rest)
	case 'd':
		revision, err := strconv.ParseUint(rest, 10, 64) // zero: there was no entry
		return store.Result{Changed: revision > 0, Revision: revision}, err
	case 'p':
		return e.readPut(op, rest)
	}
	return store.Result{}, errDamaged
}

// readPut parses the result of a write: whether it created the key, the header of the entry and, after that, what
// Increment stored.
func (e *Engine) readPut(op store.Operation, reply string) (store.Result, error) {
	if reply == "" {
		return store.Result{}, errDamaged
	}
	entry, err := e.unpackEntry(op.Key, reply[1:])
	if err != nil {
		return store.Result{}, err
	}
	result := store.Result{Entry: entry, Changed: op.Kind == store.Set && reply[0] == '1'}
	if op.Kind == store.Increment {
		result.Sum, err = strconv.ParseInt(string(entry.Value), 10, 64)
	}
	result.Entry.Value = nil
	return result, err
}
