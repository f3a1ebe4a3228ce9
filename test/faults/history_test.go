package main

import (
	"testing"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

// past and present are versions from before and after a death of the store.
var (
	before = store.Version{Epoch: 1, Revision: 1}
	after  = store.Version{Epoch: 2, Revision: 1}
)

// calls makes a history of consecutive calls, each a second long.
func calls(all ...storetest.Call) history {
	h := history{begin: time.Now()}
	for i, c := range all {
		c.Begin, c.End = int64(i)*int64(time.Second), int64(i)*int64(time.Second)+int64(time.Second)/2
		h.calls = append(h.calls, c)
	}
	return h
}

func call(op store.Operation, result store.Result, err error) storetest.Call {
	op.Key = "k"
	c := storetest.Call{Ops: []store.Operation{op}, Err: err}
	if err == nil {
		result.Entry.Key = "k"
		c.Results = []store.Result{result}
	}
	return c
}

func set(v store.Version) storetest.Call {
	return call(store.Operation{Kind: store.Set, Value: []byte("1")}, store.Result{Entry: store.Entry{Version: v}, Changed: true}, nil)
}

func add(sum int64, err error) storetest.Call {
	return call(store.Operation{Kind: store.Increment, Delta: 1}, store.Result{Entry: store.Entry{Version: store.Version{Epoch: 1, Revision: uint64(sum)}}, Sum: sum}, err)
}

func got(value string, v store.Version) storetest.Call {
	return call(store.Operation{Kind: store.Get}, store.Result{Entry: store.Entry{Value: []byte(value), Version: v}}, nil)
}

var (
	gone      = call(store.Operation{Kind: store.Get}, store.Result{}, store.ErrNotFound)
	overwrite = call(store.Operation{Kind: store.Set, Value: []byte("2"), Precondition: store.IfVersion(before)},
		store.Result{Entry: store.Entry{Version: after}}, nil)
	mismatch = call(store.Operation{Kind: store.Set, Value: []byte("2"), Precondition: store.IfVersion(before)},
		store.Result{}, store.ErrVersionMismatch)
)

func TestACallWithoutAnAnswerMayHaveHappenedOnceAtMost(t *testing.T) {
	lost := add(0, store.ErrUnknownOutcome)
	for name, test := range map[string]struct {
		h     history
		right bool
	}{
		"never":                            {calls(lost, gone), true},
		"at once":                          {calls(lost, got("1", before)), true},
		"later":                            {calls(lost, gone, got("1", before)), true},
		"before the next":                  {calls(lost, add(2, nil)), true},
		"twice":                            {calls(lost, got("2", before)), false},
		"and undone":                       {calls(lost, got("1", before), gone), false},
		"once but acknowledged, and twice": {calls(add(1, nil), got("2", before)), false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.h.check(nil); (err == nil) != test.right {
				t.Errorf("check = %v, want it right: %t", err, test.right)
			}
		})
	}
}

func TestADeathEndsWhatWasBefore(t *testing.T) {
	// The second call is in progress when the service dies.
	for name, test := range map[string]struct {
		h     history
		right bool
	}{
		"entries are lost":                                 {calls(set(before), gone, gone), true},
		"entries are written again":                        {calls(set(before), gone, set(after), got("1", after)), true},
		"old etags do not match":                           {calls(set(before), gone, set(after), mismatch), true},
		"an old etag matches":                              {calls(set(before), gone, set(after), overwrite), false},
		"an old entry comes back":                          {calls(set(before), gone, got("1", before)), false},
		"a write before the death is lost before it":       {calls(set(before), mismatch, set(after), gone), false},
		"a concurrent write takes effect before the death": {calls(gone, set(before), gone), true},
		"a concurrent write takes effect after the death":  {calls(gone, set(after), got("1", after)), true},
	} {
		t.Run(name, func(t *testing.T) {
			at := test.h.begin.Add(1250 * time.Millisecond)
			if err := test.h.check([]span{{at, at.Add(time.Millisecond)}}); (err == nil) != test.right {
				t.Errorf("check = %v, want it right: %t", err, test.right)
			}
		})
	}
	if err := calls(set(before), gone).check(nil); err == nil {
		t.Error("without a death, a lost entry was accepted")
	}
}
