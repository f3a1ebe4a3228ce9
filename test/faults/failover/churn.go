package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"key-value/client"
)

// add increments one of some counters, which no one else writes.
func add(all []*counter) func(*worker, context.Context) {
	return func(w *worker, ctx context.Context) {
		c := all[w.random.IntN(len(all))]
		c.unknown++
		sent := w.now()
		results, err := w.client().Batch(ctx, client.OpIncrement(c.key, 1))
		if err == nil {
			err = results[0].Err
		}
		if !w.called(err) || err != nil {
			return
		}
		c.unknown--
		s := sum{results[0].Sum, results[0].Entry.ETag, sent, w.now()}
		losses, err := c.answer(s)
		w.violate(err)
		w.lose(losses)
		w.violate(w.etags.written(c.key, s.etag, fmt.Sprint(s.value)))
	}
}

// pair writes two keys of a shard in one atomic batch, or reads them and compares their values.
func (w *worker) pair(ctx context.Context) {
	tag := fmt.Sprintf("p/{%d}/", w.random.IntN(pairs))
	a, b := tag+"a", tag+"b"
	if w.random.IntN(2) == 0 {
		value := fmt.Appendf(nil, "%d-%d", w.number, w.n)
		results, err := w.client().AtomicBatch(ctx, client.OpSet(a, value), client.OpSet(b, value))
		if w.called(err) && err == nil {
			w.violate(w.etags.written(a, results[0].Entry.ETag, string(value)))
			w.violate(w.etags.written(b, results[1].Entry.ETag, string(value)))
		}
		return
	}
	results, err := w.client().AtomicBatch(ctx, client.OpGet(a), client.OpGet(b))
	if w.called(err) && err == nil && string(results[0].Entry.Value) != string(results[1].Entry.Value) {
		w.violate(fmt.Errorf("half of an atomic batch: %s has %q, %s has %q",
			a, results[0].Entry.Value, b, results[1].Entry.Value))
	}
}

// churn creates and deletes keys: by sets with and without preconditions, by deletes, and by TTLs.
func (w *worker) churn(ctx context.Context) {
	key := fmt.Sprintf("t/%d", w.random.IntN(passing))
	value := fmt.Sprintf("%d-%d", w.number, w.n)
	var options []client.WriteOption
	switch w.random.IntN(4) {
	case 0:
		_, err := w.client().Delete(ctx, key)
		w.called(err)
		return
	case 1:
		options = append(options, client.TTL(50*time.Millisecond+time.Duration(w.random.IntN(200))*time.Millisecond))
	case 2:
		c, err := w.get(ctx, key)
		if err != nil {
			return
		}
		condition := client.IfAbsent()
		if c.etag != "" {
			condition = client.IfMatch(c.etag)
		}
		options = append(options, condition)
	}
	entry, _, err := w.client().Set(ctx, key, []byte(value), options...)
	if w.called(err) && err == nil {
		w.violate(w.etags.written(key, entry.ETag, value))
	}
}

// tryLost makes a write with the etag of a lost write as its precondition until it is answered, and returns an error
// unless it was rejected.
func (r *run) tryLost(ctx context.Context, l loss) error {
	for i := 0; ctx.Err() == nil; i++ {
		_, _, err := r.stage.clients[i%2].Set(ctx, l.key, []byte("no one may write this"), client.IfMatch(l.etag))
		switch {
		case errors.Is(err, client.ErrETagMismatch):
			return nil
		case !isUnanswered(err):
			return fmt.Errorf("a write of %s with the lost etag %s = %v, want a mismatch", l.key, l.etag, err)
		}
		pause(ctx, 20*time.Millisecond)
	}
	return ctx.Err()
}
