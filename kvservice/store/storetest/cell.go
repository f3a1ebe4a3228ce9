package storetest

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"

	"key-value/kvservice/store"
)

// cell is what the contract knows of one key.
type cell struct {
	exists  bool
	value   string
	version store.Version // unseen as long as no result has told it
	expires time.Time     // zero: never
}

// unseen stands for a version that no engine makes.
var unseen = store.Version{Epoch: math.MaxUint64, Revision: math.MaxUint64}

// written is a cell as a write leaves it.
func written(value string, expires time.Time) cell {
	return cell{exists: true, value: value, version: unseen, expires: expires}
}

// outcome is what the contract says that an operation does.
type outcome struct {
	after   cell
	changed bool
	sum     int64
	err     error
}

// apply carries out op on c at the instant now.
func (c cell) apply(op store.Operation, now time.Time) outcome {
	if !c.expires.IsZero() && !now.Before(c.expires) {
		c = cell{}
	}
	switch op.Kind {
	case store.Get:
		return c.get()
	case store.Increment:
		return c.increment(op, now)
	}
	if err := op.Precondition.Check(c.exists, c.version); err != nil {
		return outcome{after: c, err: err}
	}
	switch op.Kind {
	case store.Set:
		return outcome{after: written(string(op.Value), end(now, op.TTL)), changed: !c.exists}
	case store.Delete:
		return outcome{changed: c.exists}
	case store.Touch:
		if !c.exists {
			return outcome{after: c, err: store.ErrNotFound}
		}
		return outcome{after: written(c.value, end(now, op.TTL))}
	}
	panic(fmt.Sprintf("no such kind of operation: %d", op.Kind))
}

func (c cell) get() outcome {
	if !c.exists {
		return outcome{after: c, err: store.ErrNotFound}
	}
	return outcome{after: c}
}

func (c cell) increment(op store.Operation, now time.Time) outcome {
	from, expires := op.Initial, end(now, op.TTL)
	if c.exists {
		n, err := strconv.ParseInt(c.value, 10, 64)
		if err != nil {
			return outcome{after: c, err: store.ErrNotInteger}
		}
		from, expires = n, c.expires
	}
	sum := new(big.Int).Add(big.NewInt(from), big.NewInt(op.Delta))
	if !sum.IsInt64() {
		return outcome{after: c, err: store.ErrOverflow}
	}
	return outcome{after: written(sum.String(), expires), sum: sum.Int64()}
}

func end(now time.Time, ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return now.Add(ttl)
}

// check compares what an operation was seen to do with o. It returns the cell as it is then, with what is to
// be learnt of its version.
func (o outcome) check(op store.Operation, got store.Result, err error) (cell, error) {
	if !errors.Is(err, o.err) {
		return o.after, fmt.Errorf("%s = %v, want %v", describe(op), err, o.err)
	}
	if err != nil {
		return o.after, nil
	}
	if got.Changed != o.changed || got.Sum != o.sum {
		return o.after, fmt.Errorf("%s has changed %t and sum %d, want %t and %d", describe(op), got.Changed, got.Sum,
			o.changed, o.sum)
	}
	return o.checkEntry(op, got.Entry)
}

func (o outcome) checkEntry(op store.Operation, got store.Entry) (cell, error) {
	if op.Kind == store.Delete {
		return o.after, nil
	}
	value := ""
	if op.Kind == store.Get {
		value = o.after.value
	}
	if got.Key != op.Key || string(got.Value) != value || got.ExpireTime.IsZero() != o.after.expires.IsZero() {
		return o.after, fmt.Errorf("%s returned %q with %.40q, expiring %v, want %.40q, expiring %v", describe(op), got.Key,
			got.Value, got.ExpireTime, value, o.after.expires)
	}
	if known := o.after.version; known != unseen && known != got.Version {
		return o.after, fmt.Errorf("%s returned version %v, want %v", describe(op), got.Version, known)
	}
	after := o.after
	after.version = got.Version
	return after, nil
}
