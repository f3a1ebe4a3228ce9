package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"key-value/client"
)

// breath is the pause of a worker between its steps, which leaves CPU time to the nodes.
const breath = 2 * time.Millisecond

// worker does one kind of work, step by step.
type worker struct {
	*run
	random *rand.Rand
	number int
	n      int // steps so far
}

// work runs a worker until ctx is done.
func (r *run) work(ctx context.Context, number int, step func(*worker, context.Context)) {
	w := &worker{run: r, random: r.random(number), number: number}
	for ctx.Err() == nil {
		r.writing.RLock()
		call, cancel := context.WithTimeout(ctx, callPatience)
		step(w, call)
		cancel()
		r.writing.RUnlock()
		w.n++
		pause(ctx, time.Duration(w.random.Int64N(int64(2*breath))))
	}
}

// client returns the client of either service.
func (w *worker) client() *client.Client { return w.stage.clients[w.random.IntN(2)] }

// write makes the next write of one of the writer's ledgers.
func (w *worker) write(ctx context.Context) {
	b := w.ledgers[w.number+writers*(w.n%keysEach)]
	if b.isUnsure() && !w.look(ctx, b) {
		return
	}
	sent := w.now()
	number, etag := b.begin(sent)
	var options []client.WriteOption
	switch {
	case !w.careful.Load() && w.random.IntN(2) == 0:
	case etag == "":
		options = append(options, client.IfAbsent())
	default:
		options = append(options, client.IfMatch(etag))
	}
	value := strconv.Itoa(number)
	entry, _, err := w.client().Set(ctx, b.key, []byte(value), options...)
	now := w.now()
	switch {
	case !w.called(err):
		b.fail(number, unanswered)
	case err != nil:
		b.fail(number, rejected)
	default:
		w.violate(b.answer(number, entry.ETag, entry.Revision, now))
		w.wrote(b.key, sent, now)
		w.violate(w.etags.written(b.key, entry.ETag, value))
	}
}

// wrote records that a key can be written.
func (r *run) wrote(key string, sent, now instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.first[key]; !ok && sent > r.fault.from {
		r.first[key] = now
	}
}

// look reads the key of b. Only its writer calls it, so that no one writes meanwhile.
func (w *worker) look(ctx context.Context, b *ledger) bool {
	c, err := w.get(ctx, b.key)
	if err != nil {
		return false
	}
	losses, err := b.find(c.value, c.etag)
	w.violate(err)
	w.lose(losses)
	return true
}

// get reads a key. An absent key has no content.
func (w *worker) get(ctx context.Context, key string) (content, error) {
	entry, err := w.client().Get(ctx, key)
	if !w.called(err) || err != nil && !errors.Is(err, client.ErrNotFound) {
		return content{}, err
	}
	c := content{string(entry.Value), entry.ETag}
	if err == nil {
		w.violate(w.etags.seen(key, c.etag, c.value))
	}
	return c, nil
}

// read reads a ledger's key, or lists all of them, and checks that the result is not older than what was acknowledged
// before.
func (w *worker) read(ctx context.Context) {
	if w.random.IntN(20) == 0 {
		w.list(ctx)
		return
	}
	b := w.ledgers[w.random.IntN(len(w.ledgers))]
	was := b.acknowledged()
	if c, err := w.get(ctx, b.key); err == nil {
		w.compare(b, c.value, was)
	}
}

func (w *worker) list(ctx context.Context) {
	was := make([]int, len(w.ledgers))
	for i, b := range w.ledgers {
		was[i] = b.acknowledged()
	}
	found := map[string]string{}
	for entry, err := range w.client().List(ctx, ledgerPrefix) {
		if err != nil {
			w.called(err)
			return
		}
		if _, twice := found[entry.Key]; twice {
			w.violate(fmt.Errorf("a listing has %s twice", entry.Key))
		}
		found[entry.Key] = string(entry.Value)
		w.violate(w.etags.seen(entry.Key, entry.ETag, string(entry.Value)))
	}
	w.called(nil)
	for i, b := range w.ledgers {
		w.compare(b, found[b.key], was[i])
	}
}

// compare keeps a read that may be stale for a later check.
func (w *worker) compare(b *ledger, value string, was int) {
	s, suspicious, err := b.read(value, was)
	w.violate(err)
	if suspicious {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stale = append(w.stale, s)
	}
}
