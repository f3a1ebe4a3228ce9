package storetest_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"key-value/kvservice/store"
)

func (r *reference) Watch(_ context.Context, req store.WatchRequest) (store.Watcher, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	w := &referenceWatch{r: r, req: req, position: len(r.history), since: time.Now()}
	if req.Resume != "" {
		at, err := strconv.Atoi(strings.TrimPrefix(req.Resume, "reference-"))
		if err != nil || at < 0 || at > len(r.history) || r.token(at) != req.Resume {
			return nil, store.ErrTokenInvalid
		}
		if w.position = at; r.bug == resumeTooLate {
			w.position = min(at+1, len(r.history))
		} else if r.bug == resumeTooEarly {
			w.position = max(at-1, 0)
		}
		w.due = len(r.history)
		w.resumed = r.bug != resumeWithoutSync
	} else {
		w.begin()
	}
	r.stats.Watchers++
	return w, nil
}

// referenceWatch is a position in the history.
type referenceWatch struct {
	r        *reference
	req      store.WatchRequest
	first    []store.Event // to deliver before the history
	position int
	resumed  bool // whether a Sync follows the changes up to due
	due      int
	since    time.Time // of the last event
}

func (w *referenceWatch) begin() {
	for _, key := range slices.SortedFunc(maps.Keys(w.r.entries), cmp.Compare) {
		if w.req.Snapshot && w.req.Target().Matches(key) {
			entry := w.r.entries[key]
			w.first = append(w.first, store.Event{Type: store.Put, Entry: entry, Revision: entry.Version.Revision})
		}
	}
	if w.r.bug == snapshotBeforeWatch {
		w.r.pause()
		w.position = len(w.r.history)
	}
	w.first = append(w.first, w.sync())
}

func (w *referenceWatch) Next(ctx context.Context) (store.Event, error) {
	for {
		event, changed, err := w.poll()
		if changed == nil && err == nil {
			err = w.wait(ctx, event)
		}
		if changed == nil || err != nil {
			return event, err
		}
		idle, err := wait(ctx, changed, w.since.Add(store.SyncInterval))
		if err != nil {
			return store.Event{}, err
		}
		if idle {
			w.since = time.Now()
			return w.sync(), nil
		}
	}
}

// wait waits for the memory for event. If it fails, event is the next one again.
func (w *referenceWatch) wait(ctx context.Context, event store.Event) error {
	if w.req.Room == nil || event.Type != store.Put || w.r.bug == withoutRoom {
		return nil
	}
	err := w.req.Room.Wait(ctx, len(event.Entry.Key)+len(event.Entry.Value))
	if err != nil {
		w.first = append([]store.Event{event}, w.first...)
	}
	return err
}

// wait reports whether it returned because nothing changed until idle.
func wait(ctx context.Context, changed <-chan struct{}, idle time.Time) (bool, error) {
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-changed:
		return false, nil
	case <-time.After(time.Until(idle)):
		return true, nil
	}
}

// poll returns the next event, or a channel to wait for.
func (w *referenceWatch) poll() (store.Event, <-chan struct{}, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if w.r.closed {
		return store.Event{}, nil, store.ErrClosed
	}
	if len(w.first) > 0 {
		event := w.first[0]
		w.first = w.first[1:]
		w.since = time.Now()
		return event, nil, nil
	}
	if w.resumed && w.missedNone() {
		w.resumed, w.since = false, time.Now()
		w.position = max(w.position, w.due)
		return w.sync(), nil, nil
	}
	for w.position < len(w.r.history) {
		event := w.r.history[w.position]
		w.position++
		if w.req.Target().Matches(event.Entry.Key) {
			w.since = time.Now()
			return event, nil, nil
		}
	}
	return store.Event{}, w.r.changed, nil
}

// sync returns a Sync at position.
func (w *referenceWatch) sync() store.Event {
	event := store.Event{Type: store.Sync, Token: w.r.token(w.position)}
	if w.position > 0 {
		event.Revision = w.r.history[w.position-1].Revision
	}
	return event
}

// missedNone reports whether no change up to due is left to deliver.
func (w *referenceWatch) missedNone() bool {
	return w.position >= w.due || !slices.ContainsFunc(w.r.history[w.position:w.due], func(e store.Event) bool {
		return w.req.Target().Matches(e.Entry.Key)
	})
}

func (w *referenceWatch) Close() {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.r.stats.Watchers--
}
