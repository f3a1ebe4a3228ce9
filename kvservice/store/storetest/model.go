package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"key-value/kvservice/store"
)

// Model is a store as a plain map. It is told of calls that were made one after another, and finds those
// whose outcome is not what the contract says. The zero value is an empty store.
//
// Time is that of package time, so entries with a short TTL are for tests with a fake clock.
type Model struct {
	cells map[string]cell // :: key → what is under it
	used  map[store.Version]bool
}

// Check tells m of an operation, and returns an error if its outcome is wrong.
func (m *Model) Check(op store.Operation, got store.Result, err error) error {
	before := m.cells[op.Key]
	after, err := before.apply(op, time.Now()).check(op, got, err)
	if err != nil {
		return err
	}
	if after.version != before.version && after.exists && m.used[after.version] {
		return fmt.Errorf("%s made version %v, which was used before", describe(op), after.version)
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

// CheckBatch tells m of a batch, and returns an error if its outcome is wrong.
func (m *Model) CheckBatch(ops []store.Operation, atomic bool, got []store.Result, err error) error {
	if !atomic {
		return m.checkEach(ops, got, err)
	}
	var failure *store.BatchError
	if err == nil {
		return m.checkEach(ops, got, nil)
	}
	if !errors.As(err, &failure) || failure.Index >= len(ops) {
		return fmt.Errorf("atomic batch of %d failed with %w", len(ops), err)
	}
	return m.checkFailure(ops, failure)
}

func (m *Model) checkEach(ops []store.Operation, got []store.Result, err error) error {
	if err != nil || len(got) != len(ops) {
		return fmt.Errorf("batch of %d has %d results and fails with %v", len(ops), len(got), err)
	}
	for i, op := range ops {
		if err := m.Check(op, got[i], got[i].Err); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return nil
}

// checkFailure checks that an atomic batch had to fail where it did. It leaves m as it is.
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

// Keys returns the keys that exist, in order.
func (m *Model) Keys() []string {
	now := time.Now()
	maps.DeleteFunc(m.cells, func(_ string, c cell) bool {
		return !c.exists || !c.expires.IsZero() && !now.Before(c.expires)
	})
	return slices.Sorted(maps.Keys(m.cells))
}

// CheckPage returns an error if page is not what req should return. A page may have ended early because of
// its bytes.
func (m *Model) CheckPage(req store.ListRequest, page store.Page) error {
	want := slices.DeleteFunc(m.Keys(), func(key string) bool {
		return !strings.HasPrefix(key, req.Prefix) || key <= req.After
	})
	got := keysOf(page.Entries)
	if len(got) > req.Limit || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		return fmt.Errorf("list %+v has %q, want %q", req, got, want)
	}
	if !page.More && len(got) < len(want) || page.More && len(got) == 0 {
		return fmt.Errorf("list %+v says %t to more behind %q of %q", req, page.More, got, want)
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
