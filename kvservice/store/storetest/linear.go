package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"key-value/kvservice/store"
)

// CheckLinearizable returns an error unless the calls are linearizable: there must be an order of them, each at some
// instant between its begin and its end, in which a single map would have given the same results. Calls must not have
// TTLs. It fails if it finds no answer within patience.
func CheckLinearizable(calls []Call, patience time.Duration) error {
	if err := checkVersions(calls); err != nil {
		return err
	}
	model := keyModel
	var history []porcupine.Operation
	for _, call := range calls {
		if call.irrelevant() {
			continue
		}
		if len(call.Ops) > 1 {
			model = mapModel
		}
		history = append(history, operation(call))
	}
	switch porcupine.CheckOperationsTimeout(model, history, patience) {
	case porcupine.Illegal:
		return fmt.Errorf("%d calls are not linearizable:\n%s", len(history), describeFailure(model, history))
	case porcupine.Unknown:
		return fmt.Errorf("gave up after %v on whether %d calls are linearizable", patience, len(history))
	}
	return nil
}

func operation(call Call) porcupine.Operation {
	op := porcupine.Operation{ClientId: call.Client, Input: call, Output: call, Call: call.Begin, Return: call.End}
	if call.Unknown() {
		op.Return = math.MaxInt64
	}
	return op
}

// checkVersions returns an error if two writes made the same version. Writes of one call are distinguished by key.
func checkVersions(calls []Call) error {
	made := map[store.Version]string{}
	for _, call := range calls {
		for i, result := range call.Results {
			v := result.Entry.Version
			if v == (store.Version{}) || call.Ops[i].Kind == store.Get {
				continue
			}
			text := fmt.Sprintf("%s by client %d at %d", describe(call.Ops[i]), call.Client, call.Begin)
			if other, twice := made[v]; twice {
				return fmt.Errorf("version %v was made twice: %s, and %s", v, other, text)
			}
			made[v] = text
		}
	}
	return nil
}

// cells is the state of a store, by key. It is copied, never modified.
type cells map[string]cell

func (cs cells) put(key string, c cell) {
	if c.exists {
		cs[key] = c
	} else {
		delete(cs, key)
	}
}

// mapModel models a whole store.
var mapModel = porcupine.Model{
	Init: func() any { return cells{} },
	Step: func(state, input, _ any) (bool, any) { return step(state.(cells), input.(Call)) },
	Equal: func(a, b any) bool {
		return maps.Equal(a.(cells), b.(cells))
	},
	DescribeOperation: func(input, _ any) string { return describeCall(input.(Call)) },
}

// keyModel models a store in which keys are independent, which is much faster to check. Every call must have one
// operation.
var keyModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(Call).Ops[0].Key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: mapModel.Init, Step: mapModel.Step, Equal: mapModel.Equal, DescribeOperation: mapModel.DescribeOperation,
}

// step reports whether call could have had its result in the given state, and returns the next state.
func step(before cells, call Call) (bool, cells) {
	after := maps.Clone(before)
	var failure *store.BatchError
	errors.As(call.Err, &failure)
	for i, op := range call.Ops {
		o := after[op.Key].apply(op, time.Time{})
		switch {
		case call.Unknown():
			if o.err != nil {
				return true, before
			}
			after.put(op.Key, o.after)
		case failure != nil:
			if i == failure.Index {
				return sameError(failure.Err, o.err), before
			}
			if o.err != nil {
				return false, nil
			}
			after.put(op.Key, o.after)
		case call.Err != nil:
			return sameError(call.Err, o.err), before
		default:
			c, err := o.check(op, call.Results[i], nil)
			if err != nil {
				return false, nil
			}
			after.put(op.Key, c)
		}
	}
	return true, after
}

func sameError(got, want error) bool { return want != nil && errors.Is(got, want) }

// describeFailure describes the end of the shortest prefix of history that is not linearizable and ends with no call
// in progress.
func describeFailure(model porcupine.Model, history []porcupine.Operation) string {
	shortest, ends := len(history), int64(0)
	for n, op := range history {
		if n > 0 && ends < op.Call && porcupine.CheckOperationsTimeout(model, history[:n], time.Second) == porcupine.Illegal {
			shortest = n
			break
		}
		ends = max(ends, op.Return)
	}
	text := ""
	for _, op := range history[max(0, shortest-12):shortest] {
		text += describeCall(op.Input.(Call)) + "\n"
	}
	return text
}

func describeCall(c Call) string {
	text := fmt.Sprintf("client %d, %d to %d:", c.Client, c.Begin, c.End)
	for i, op := range c.Ops {
		text += " " + describe(op)
		if c.Err == nil {
			result := c.Results[i]
			text += fmt.Sprintf(" = %q %d %t %v", result.Entry.Value, result.Sum, result.Changed, result.Entry.Version)
		}
	}
	if c.Err != nil {
		text += fmt.Sprintf(" failed: %v", c.Err)
	}
	return text
}
