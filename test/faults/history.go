package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

const (
	// checkPatience bounds the check of one history.
	checkPatience = 30 * time.Second
	// clockSlack is more than the time between the beginning of a history and that of its clock.
	clockSlack = 20 * time.Millisecond
)

// history is what the clients of one program did, and when.
type history struct {
	fault string // the fault that was active when it began
	seed  uint64
	begin time.Time
	calls []storetest.Call
}

// histories runs clients of s until ctx is done, and delivers one history after the other. No two share a key.
func histories(ctx context.Context, s storetest.Store, seeds func() uint64, fault func() string, done func(history)) {
	for ctx.Err() == nil {
		h := history{fault: fault(), seed: seeds()}
		h.record(ctx, s)
		done(h)
	}
}

// record runs clients of s for one history.
func (h *history) record(ctx context.Context, s storetest.Store) {
	w := storetest.Workload{Clients: 4, Calls: 40, Batches: h.seed%3 == 0, Seed: h.seed}
	for i := range 1 + h.seed%4 {
		w.Keys = append(w.Keys, fmt.Sprintf("h/%d/%d", h.seed, i))
	}
	round, end := context.WithCancel(ctx)
	defer end()
	h.begin = time.Now()
	h.calls = w.Run(round, &bounded{Store: s, run: context.WithoutCancel(ctx), end: end})
}

// operations returns how many operations were answered.
func (h history) operations() int {
	n := 0
	for _, c := range h.calls {
		if !unanswered(c.Err) {
			n += len(c.Ops)
		}
	}
	return n
}

// check returns an error if the history is wrong. Deaths are the times at which the service lost all its data: after
// each, the calls must be right for a store that was empty.
func (h history) check(deaths []span) error {
	calls := slices.DeleteFunc(slices.Clone(h.calls), func(c storetest.Call) bool { return c.Unknown() && reads(c) })
	for _, died := range deaths {
		if died.from.After(h.begin.Add(h.lasted() + clockSlack)) {
			break
		}
		var before []storetest.Call
		before, calls = h.split(calls, died)
		if err := storetest.CheckLinearizable(before, checkPatience); err != nil {
			return err
		}
	}
	return storetest.CheckLinearizable(calls, checkPatience)
}

func (h history) lasted() time.Duration {
	last := int64(0)
	for _, c := range h.calls {
		last = max(last, c.End)
	}
	return time.Duration(last)
}

// split returns the calls that the store before a death may have answered, and those that the store after it may have.
// A write that may belong to either is in both, with an unknown outcome; so is each write whose outcome was unknown.
func (h history) split(calls []storetest.Call, died span) (before, after []storetest.Call) {
	from := int64(died.from.Sub(h.begin) - clockSlack)
	to := int64(died.to.Sub(h.begin) + clockSlack)
	for _, c := range calls {
		switch {
		case c.Begin > to:
			after = append(after, c)
			continue
		case c.End < from && !c.Unknown():
			before = append(before, c)
			continue
		case reads(c), errors.Is(c.Err, store.ErrUnavailable):
			continue // had no effect
		}
		c.Results, c.Err = nil, store.ErrUnknownOutcome
		before, after = append(before, c), append(after, c)
	}
	return before, after
}

// reads reports whether a call changes nothing.
func reads(c storetest.Call) bool {
	return !slices.ContainsFunc(c.Ops, func(op store.Operation) bool { return op.Kind != store.Get })
}
