package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"key-value/kvservice/store"
)

// Model is a store as a plain map. It is given sequential calls and reports those whose results violate the contract.
// The zero value is an empty store.
//
// It uses the time of package time, so entries with a short TTL require a fake clock.
type Model struct {
	cells map[string]cell // :: key → its state
	used  map[store.Version]bool
}

// Check applies an operation to m and returns an error if its result is wrong.
func (m *Model) Check(op store.Operation, got store.Result, err error) error {
	before := m.cells[op.Key]
	after, err := before.apply(op, time.Now()).check(op, got, err)
	if err != nil {
		return err
	}
	if after.version != before.version && after.exists && m.used[after.version] {
		return fmt.Errorf("%s made version %v again", describe(op), after.version)
	}
	m.put(op.Key, after)
	return nil
}

func (m *Model) put(key string, c cell) {
	if m.cells == nil {
		m.cells, m.used = map[string]cell{}, map[store.Version]bool{}
	}
	m.cells[key] = c
	m.used[c.version] = true
}

// CheckBatch applies a batch to m and returns an error if its result is wrong.
func (m *Model) CheckBatch(ops []store.Operation, atomic bool, got []store.Result, err error) error {
	if !atomic {
		return m.checkEach(ops, got, err)
	}
	var failure *store.BatchError
	if err == nil {
		return m.checkEach(ops, got, nil)
	}
	if !errors.As(err, &failure) || failure.Index >= len(ops) {
		return fmt.Errorf("atomic batch of %d failed with %w, want a BatchError", len(ops), err)
	}
	return m.checkFailure(ops, failure)
}

func (m *Model) checkEach(ops []store.Operation, got []store.Result, err error) error {
	if err != nil || len(got) != len(ops) {
		return fmt.Errorf("batch of %d returned %d results and %v", len(ops), len(got), err)
	}
	for i, op := range ops {
		if err := m.Check(op, got[i], got[i].Err); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return nil
}

// checkFailure checks that an atomic batch had to fail where it did. It does not change m.
func (m *Model) checkFailure(ops []store.Operation, failure *store.BatchError) error {
	cells := maps.Clone(m.cells)
	if cells == nil {
		cells = map[string]cell{}
	}
	for i, op := range ops[:failure.Index+1] {
		o := cells[op.Key].apply(op, time.Now())
		var want error
		if i == failure.Index {
			want = failure.Err
		}
		if !errors.Is(want, o.err) || !errors.Is(o.err, want) {
			return fmt.Errorf("operation %d, %s, fails with %v, want %v", i, describe(op), want, o.err)
		}
		cells[op.Key] = o.after
	}
	return nil
}

// Keys returns the existing keys, in order.
func (m *Model) Keys() []string {
	now := time.Now()
	maps.DeleteFunc(m.cells, func(_ string, c cell) bool {
		return !c.exists || !c.expires.IsZero() && !now.Before(c.expires)
	})
	return slices.Sorted(maps.Keys(m.cells))
}

// CheckPage returns an error if page is not a correct result for req. A page may end early because of its size in
// bytes.
func (m *Model) CheckPage(req store.ListRequest, page store.Page) error {
	want, got := m.listed(req), levelOf(page, req.Reverse)
	wantEntries := slices.DeleteFunc(slices.Clone(want), func(item string) bool { return m.rolled(req, item) != "" })
	if entries := keysOf(page.Entries); len(entries) > len(wantEntries) || !slices.Equal(entries, wantEntries[:len(entries)]) {
		return fmt.Errorf("list %+v returned entries %q, want %q", req, entries, wantEntries)
	}
	if len(got) > req.Limit || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		return fmt.Errorf("list %+v returned %q, want %q", req, got, want)
	}
	if !page.More && len(got) < len(want) || page.More && len(got) == 0 {
		return fmt.Errorf("list %+v returned %q and more %t, want a part of %q", req, got, page.More, want)
	}
	for _, entry := range page.Entries {
		op := get(entry.Key)
		if req.KeysOnly {
			entry.Value = []byte(m.cells[entry.Key].value)
		}
		if err := m.Check(op, store.Result{Entry: entry}, nil); err != nil {
			return fmt.Errorf("list %+v: %w", req, err)
		}
	}
	return nil
}

// CheckDeleteRange applies the deletion of a range to m and returns an error if its result is wrong.
func (m *Model) CheckDeleteRange(req store.RangeRequest, got store.RangeResult) error {
	keys := m.listed(store.ListRequest{Prefix: req.Prefix, Start: req.Start, End: req.End, After: req.After})
	gone := keys[:min(len(keys), req.Limit)]
	want := store.RangeResult{Deleted: len(gone), More: len(keys) > len(gone)}
	if len(gone) > 0 {
		want.Last = gone[len(gone)-1]
	}
	if got != want {
		return fmt.Errorf("delete range %+v returned %+v, want %+v", req, got, want)
	}
	for _, key := range gone {
		if !req.DryRun {
			m.put(key, cell{})
		}
	}
	return nil
}

// listed returns the keys and prefixes that a listing has, in its order.
func (m *Model) listed(req store.ListRequest) []string {
	var items []string
	for _, key := range m.Keys() {
		if !strings.HasPrefix(key, req.Prefix) || key < req.Start || req.End != "" && key >= req.End {
			continue
		}
		if prefix := m.rolled(req, key); prefix != "" {
			key = prefix
		}
		if !slices.Contains(items, key) {
			items = append(items, key)
		}
	}
	after := cmp.Or(m.rolled(req, req.After), req.After)
	if req.Reverse {
		slices.Reverse(items)
		return slices.DeleteFunc(items, func(item string) bool { return after != "" && item >= after })
	}
	return slices.DeleteFunc(items, func(item string) bool { return item <= after })
}

// rolled returns the prefix that stands for key, or "".
func (m *Model) rolled(req store.ListRequest, key string) string {
	rest, ok := strings.CutPrefix(key, req.Prefix)
	if before, _, found := strings.Cut(rest, req.Delimiter); ok && found && req.Delimiter != "" {
		return req.Prefix + before + req.Delimiter
	}
	return ""
}

// cell is the state of one key.
type cell struct {
	exists  bool
	value   string
	version store.Version // unseen until a result has it
	expires time.Time     // zero: never
}

// unseen stands for a version that no result has had yet. No engine makes it.
var unseen = store.Version{Epoch: math.MaxUint64, Revision: math.MaxUint64}

// written returns a cell after a write.
func written(value string, expires time.Time) cell {
	return cell{exists: true, value: value, version: unseen, expires: expires}
}

// outcome is the expected outcome of an operation.
type outcome struct {
	after   cell
	changed bool
	sum     int64
	err     error
}

// apply returns the outcome of op on c at now.
func (c cell) apply(op store.Operation, now time.Time) outcome {
	if !c.expires.IsZero() && !now.Before(c.expires) {
		c = cell{}
	}
	switch op.Kind {
	case store.Get:
		return c.get(op)
	case store.Increment:
		return c.increment(op, now)
	}
	if err := op.Precondition.Check(c.exists, c.version); err != nil {
		return outcome{after: c, err: err}
	}
	switch op.Kind {
	case store.Set:
		expires := end(now, op.TTL)
		if op.KeepTTL {
			expires = c.expires
		}
		return outcome{after: written(string(op.Value), expires), changed: !c.exists}
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

func (c cell) get(op store.Operation) outcome {
	if !c.exists && !op.AllowMissing {
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

// check compares the result of an operation with o. It returns the cell after the operation, with its version if the
// result has it.
func (o outcome) check(op store.Operation, got store.Result, err error) (cell, error) {
	if !errors.Is(err, o.err) {
		return o.after, fmt.Errorf("%s = %v, want %v", describe(op), err, o.err)
	}
	if err != nil {
		return o.after, nil
	}
	if got.Changed != o.changed || got.Sum != o.sum {
		return o.after, fmt.Errorf("%s returned changed %t and sum %d, want %t and %d", describe(op), got.Changed, got.Sum,
			o.changed, o.sum)
	}
	return o.checkEntry(op, got.Entry)
}

// wantNone checks the result of a get that finds no entry, and may.
func wantNone(op store.Operation, got store.Entry) error {
	if got.Key != "" || len(got.Value) != 0 || got.Version != (store.Version{}) {
		return fmt.Errorf("%s returned %+v, want no entry", describe(op), got)
	}
	return nil
}

func (o outcome) checkEntry(op store.Operation, got store.Entry) (cell, error) {
	if op.Kind == store.Delete {
		return o.after, nil
	}
	if !o.after.exists {
		return o.after, wantNone(op, got)
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
