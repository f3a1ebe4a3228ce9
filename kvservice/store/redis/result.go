package redis

import (
	"strconv"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// readApplied reads what apply answered to ops. Each result has an error of its own, unless all of ops failed.
func (e *Engine) readApplied(r answer, ops []store.Operation) ([]store.Result, error) {
	if r.err != nil {
		return nil, r.err
	}
	revision, err := number(r.items, 0)
	if err != nil {
		return nil, err
	}
	e.saw(revision)
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

// readFailure reads which of the operations that should all take effect failed, and why.
func readFailure(items []rueidis.RedisMessage) error {
	index, err := number(items, 1)
	if err != nil {
		return err
	}
	letter, err := text(items, 2)
	if err != nil || letter == "" || refusals[letter[0]] == nil {
		return errDamaged
	}
	return &store.BatchError{Index: int(index) - 1, Err: refusals[letter[0]]}
}

// readResult reads what one operation did.
func (e *Engine) readResult(op store.Operation, reply string) (store.Result, error) {
	if reply == "" {
		return store.Result{}, errDamaged
	}
	if op.Kind == store.Get && reply == "n" {
		e.misses.Add(1)
	}
	if err := refusals[reply[0]]; err != nil {
		return store.Result{}, err
	}
	switch rest := reply[1:]; reply[0] {
	case 'g':
		return e.found(op.Key, rest)
	case 'd':
		return store.Result{Changed: rest == "1"}, nil
	case 'p':
		return readPut(op, rest)
	}
	return store.Result{}, errDamaged
}

// readPut reads whether a write created the key, the header of the entry and, behind it, what Increment stored.
func readPut(op store.Operation, reply string) (store.Result, error) {
	if reply == "" {
		return store.Result{}, errDamaged
	}
	entry, err := unpackEntry(op.Key, reply[1:])
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
