package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"key-value/client"
)

// cutEvery is after how many events a reader cuts its watch, on average, and goes on at any of the services.
const cutEvery = 300

// watcher watches for as long as the run lasts. When its watch ends by RESUME_TOO_OLD, it begins another one.
type watcher struct {
	run    *run
	random *rand.Rand
	again  bool // whether it begins another one, and not only goes on from an earlier one

	mu     sync.Mutex
	thread *thread   // guarded by mu
	ended  []*thread // since they were last judged; guarded by mu
	ends   int       // how many there were; guarded by mu
}

func (r *run) newWatcher(number int, t *thread) *watcher {
	return &watcher{run: r, random: r.random(1000 + number), again: true, thread: t}
}

// follow watches until ctx is done.
func (w *watcher) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.stream(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, client.ErrResumeTooOld):
			if w.end(); !w.again {
				return
			}
		default:
			w.run.violate(fmt.Errorf("a watch of %q ended with %w", w.thread.about, err))
			pause(ctx, callPatience)
		}
	}
}

// end takes note that the watch cannot go on.
func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends++
	w.ended = append(w.ended, w.thread)
	w.resetLocked()
}

// resetLocked begins a thread anew.
func (w *watcher) resetLocked() {
	w.thread = newThread(w.thread.about, w.thread.one, w.thread.snapshot)
}

// stream watches until the watch ends, or this reader cuts it.
func (w *watcher) stream(ctx context.Context) error {
	about, one, options := w.begin()
	c := w.run.stage.clients[w.random.IntN(2)]
	watch := c.Watch
	if one {
		watch = c.WatchKey
	}
	for event, err := range watch(ctx, about, options...) {
		if err != nil {
			return err
		}
		w.take(event)
		if event.ResumeToken != "" && w.random.IntN(cutEvery) == 0 {
			return nil
		}
	}
	return nil
}

// begin says where the next stream is to begin.
func (w *watcher) begin() (about string, one bool, options []client.WatchOption) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.thread.token == "" {
		w.resetLocked()
	}
	options = append(options, client.ResumeFrom(w.thread.token))
	if w.thread.snapshot {
		options = append(options, client.FromSnapshot())
	}
	return w.thread.about, w.thread.one, options
}

func (w *watcher) take(event client.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, c := w.thread, content{string(event.Entry.Value), event.Entry.ETag}
	switch event.Type {
	case client.EventPut:
		t.put(event.Entry.Key, c, event.ResumeToken)
		w.run.violate(w.run.etags.seen(event.Entry.Key, c.etag, c.value))
	case client.EventSync:
		t.sync(event.ResumeToken, w.run.now())
	case client.EventReset:
		w.resetLocked()
	default:
		t.remove(event.Entry.Key, event.ResumeToken)
	}
}

// clone returns a watcher that goes on from where w is now, once, or nil if w has nothing to go on from.
func (w *watcher) clone() *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.thread.token == "" {
		return nil
	}
	return &watcher{run: w.run, random: rand.New(rand.NewPCG(w.random.Uint64(), 0)), thread: w.thread.clone()}
}

// late says what w has not told yet of what there is. Empty: nothing.
func (w *watcher) late(listing map[string]content, books []*book) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.again && w.ends > 0 {
		return ""
	}
	if what := w.thread.behind(listing, books); what != "" {
		return fmt.Sprintf("a watch of %q: %s", w.thread.about, what)
	}
	return ""
}

// judge checks what w has told since it was last judged, when it has told all that there is.
func (w *watcher) judge(books []*book, alive bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, t := range w.ended {
		for _, b := range books {
			errs = append(errs, t.judge(b, false))
		}
	}
	w.ended = nil
	for _, b := range books {
		errs = append(errs, w.thread.judge(b, alive && (w.again || w.ends == 0)))
	}
	return errors.Join(errs...)
}
