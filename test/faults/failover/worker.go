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

// breath is how long a worker rests between its steps, so that there is some processor left for the nodes.
const breath = 2 * time.Millisecond

// worker does one kind of work, step by step.
type worker struct {
	*run
	random *rand.Rand
	number int
	n      int // steps so far
}

// work has a worker make steps until ctx is done.
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

// client returns one of the services.
func (w *worker) client() *client.Client { return w.stage.clients[w.random.IntN(2)] }

// write makes the next write of one of the writer's books.
func (w *worker) write(ctx context.Context) {
	b := w.books[w.number+writers*(w.n%keysEach)]
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
		b.fail(number, refused)
	default:
		b.answer(number, entry.ETag, now)
		w.wrote(b.key, sent, now)
		w.violate(w.etags.written(b.key, entry.ETag, value))
	}
}

// wrote takes note that a key can be written to.
func (r *run) wrote(key string, sent, now instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.first[key]; !ok && sent > r.fault.from {
		r.first[key] = now
	}
}

// look reads what b has. Its writer does so, so that nobody writes beside.
func (w *worker) look(ctx context.Context, b *book) bool {
	c, err := w.get(ctx, b.key)
	if err != nil {
		return false
	}
	losses, err := b.find(c.value, c.etag)
	w.violate(err)
	w.lose(losses)
	return true
}

// get reads a key. Nothing is there if it is not.
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

// read reads a book, or lists all of them, and sees whether that is as new as what was acknowledged before.
func (w *worker) read(ctx context.Context) {
	if w.random.IntN(20) == 0 {
		w.list(ctx)
		return
	}
	b := w.books[w.random.IntN(len(w.books))]
	was := b.acknowledged()
	if c, err := w.get(ctx, b.key); err == nil {
		w.compare(b, c.value, was)
	}
}

func (w *worker) list(ctx context.Context) {
	was := make([]int, len(w.books))
	for i, b := range w.books {
		was[i] = b.acknowledged()
	}
	found := map[string]string{}
	for entry, err := range w.client().List(ctx, bookPrefix) {
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
	for i, b := range w.books {
		w.compare(b, found[b.key], was[i])
	}
}

// compare keeps a read for later that could be stale.
func (w *worker) compare(b *book, value string, was int) {
	s, suspicious, err := b.read(value, was)
	w.violate(err)
	if suspicious {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stale = append(w.stale, s)
	}
}
