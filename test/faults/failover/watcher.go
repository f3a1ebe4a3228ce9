package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"key-value/client"
)

// cutEvery is the average number of events after which a reader cuts its watch, to resume at either service.
const cutEvery = 300

// watcher watches until the end of the run. When its watch ends with RESUME_TOO_OLD, it begins a new one.
type watcher struct {
	run    *run
	random *rand.Rand
	again  bool // whether it begins a new one, rather than only resuming an earlier one

	mu         sync.Mutex
	transcript *transcript   // guarded by mu
	ended      []*transcript // since they were last judged; guarded by mu
	ends       int           // how many there were; guarded by mu
}

func (r *run) newWatcher(number int, t *transcript) *watcher {
	return &watcher{run: r, random: r.random(1000 + number), again: true, transcript: t}
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
			w.run.violate(fmt.Errorf("a watch of %q ended: %w", w.transcript.about, err))
			pause(ctx, callPatience)
		}
	}
}

// end records that the watch cannot be resumed.
func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends++
	w.ended = append(w.ended, w.transcript)
	w.resetLocked()
}

// resetLocked begins a new transcript.
func (w *watcher) resetLocked() {
	w.transcript = newTranscript(w.transcript.about, w.transcript.one, w.transcript.snapshot)
}

// stream watches until the watch ends, or until it cuts the watch.
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

// begin returns where the next stream begins.
func (w *watcher) begin() (about string, one bool, options []client.WatchOption) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.transcript.token == "" {
		w.resetLocked()
	}
	options = append(options, client.ResumeFrom(w.transcript.token))
	if w.transcript.snapshot {
		options = append(options, client.FromSnapshot())
	}
	return w.transcript.about, w.transcript.one, options
}

func (w *watcher) take(event client.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, c := w.transcript, content{string(event.Entry.Value), event.Entry.ETag}
	switch event.Type {
	case client.EventPut:
		t.put(event.Entry.Key, c, event.ResumeToken)
		w.run.violate(w.run.etags.seen(event.Entry.Key, c.etag, c.value))
	case client.EventSync:
		t.sync(event.ResumeToken, w.run.now())
	case client.EventReset:
		w.resetLocked()
	case client.EventTouch:
		if !strings.HasPrefix(event.Entry.Key, historyPrefix) {
			w.run.violate(fmt.Errorf("a watch has a touch of %s, which no one made", event.Entry.Key))
		}
		t.put(event.Entry.Key, content{t.copied[event.Entry.Key].value, c.etag}, event.ResumeToken) // it has no content
	case client.EventDelete, client.EventExpire, client.EventEvict:
		t.remove(event.Entry.Key, event.ResumeToken)
	default:
		w.run.violate(fmt.Errorf("a watch has a %s of %s, which no one made", event.Type, event.Entry.Key))
	}
}

// clone returns a watcher that resumes once from where w is now, or nil if w has no token.
func (w *watcher) clone() *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.transcript.token == "" {
		return nil
	}
	return &watcher{run: w.run, random: rand.New(rand.NewPCG(w.random.Uint64(), 0)), transcript: w.transcript.clone()}
}

// late returns what w has not delivered yet of the state of the store. Empty: nothing.
func (w *watcher) late(listing map[string]content, ledgers []*ledger) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.again && w.ends > 0 {
		return ""
	}
	if what := w.transcript.behind(listing, ledgers); what != "" {
		return fmt.Sprintf("a watch of %q: %s", w.transcript.about, what)
	}
	return ""
}

// judge checks what w has delivered since it was last judged, when it has delivered everything.
func (w *watcher) judge(ledgers []*ledger, alive bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, t := range w.ended {
		for _, b := range ledgers {
			errs = append(errs, t.judge(b, false))
		}
	}
	w.ended = nil
	for _, b := range ledgers {
		errs = append(errs, w.transcript.judge(b, alive && (w.again || w.ends == 0)))
	}
	return errors.Join(errs...)
}
