package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"key-value/client"
)

// place is the entry of one caller in the queue.
type place struct {
	key    string
	ticket uint64 // the revision with which the entry was created: those with smaller ones come first
	value  string // what the caller tells others
}

// A renewal changes the revision of an entry, so its value has the ticket as well: as 20 digits, and a space before the
// value of the caller. An entry that has not been renewed yet has the ticket as its revision, and 0 in its place. The
// length stays the same, so that a store that is full can be told the ticket too.
func packValue(ticket uint64, value string) []byte {
	return fmt.Appendf(nil, "%020d %s", ticket, value)
}

// parsePlace returns false for an entry that is not of a lock.
func parsePlace(e client.Entry) (place, bool) {
	number, value, _ := strings.Cut(string(e.Value), " ")
	ticket, err := strconv.ParseUint(number, 10, 64)
	return place{e.Key, cmp.Or(ticket, e.Revision), value}, err == nil
}

// queue returns the places in their order.
func (l *Lock) queue(ctx context.Context) ([]place, error) {
	var all []place
	for e, err := range l.kv.List(ctx, l.prefix, client.PageSize(pageSize)) {
		if err != nil {
			return nil, err
		}
		if p, ok := parsePlace(e); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.ticket, b.ticket) })
	return all, nil
}

// pageSize is how many places are read at a time.
const pageSize = 1000

// untilGone waits until there is no entry under key. It outlasts interruptions and restarts of the store.
func (l *Lock) untilGone(ctx context.Context, key string) error {
	there := false
	for event, err := range l.kv.WatchKey(ctx, key, client.FromSnapshot(), client.StartOver()) {
		if err != nil {
			return err
		}
		switch event.Type {
		case client.EventPut, client.EventTouch:
			there = true
		case client.EventReset:
			there = false
		case client.EventDelete, client.EventExpire, client.EventEvict:
			return nil
		case client.EventSync:
			if !there {
				return nil
			}
		}
	}
	return ctx.Err()
}

// untilAny waits until the queue is not empty.
func (l *Lock) untilAny(ctx context.Context) error {
	for event, err := range l.kv.Watch(ctx, l.prefix, client.FromSnapshot(), client.StartOver()) {
		if err != nil {
			return err
		}
		if _, ok := parsePlace(event.Entry); ok && event.Type == client.EventPut {
			return nil
		}
	}
	return ctx.Err()
}

// Holder is a caller that holds a lock.
type Holder struct {
	Value string // its [Value]
	Fence uint64 // its [Held.Fence]
}

// Holder returns who holds the lock, or false if nobody does. Somebody else may hold it by the time that it returns.
func (l *Lock) Holder(ctx context.Context) (Holder, bool, error) {
	queue, err := l.queue(ctx)
	if err != nil || len(queue) == 0 {
		return Holder{}, false, err
	}
	return Holder{queue[0].value, queue[0].ticket}, true, nil
}

// Observe yields who holds the lock, and whoever holds it next, until ctx ends, whose error comes last. A zero Holder means
// that nobody does. A holder that was followed by another within a moment may be left out. It goes on through
// interruptions and restarts of the store, and ends with an error that a retry would not change, such as
// [client.ErrPermissionDenied].
func (l *Lock) Observe(ctx context.Context) iter.Seq2[Holder, error] {
	return func(yield func(Holder, error) bool) {
		var last *Holder
		for {
			queue, err := patiently(ctx, l.queue)
			if err != nil {
				yield(Holder{}, err)
				return
			}
			var now Holder
			if len(queue) != 0 {
				now = Holder{queue[0].value, queue[0].ticket}
			}
			if (last == nil || *last != now) && !yield(now, nil) {
				return
			}
			last = &now
			if len(queue) != 0 {
				err = l.untilGone(ctx, queue[0].key)
			} else {
				err = l.untilAny(ctx)
			}
			if err != nil {
				yield(Holder{}, err)
				return
			}
		}
	}
}

// patiently calls f until it succeeds, ctx ends, or it fails with an error that a retry would not change.
func patiently[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	for {
		result, err := f(ctx)
		if err == nil || ctx.Err() != nil || !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, client.ErrOverloaded) {
			return result, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(50*time.Millisecond + rand.N(100*time.Millisecond)): // not all at once
		}
	}
}
