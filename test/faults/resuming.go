package main

import (
	"context"
	"errors"
	"iter"
	"time"

	"key-value/client"
	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

// resuming opens watches that reconnect after their last event when they are cut, as EventSource and the Go library do.
type resuming struct{ storetest.Watchable }

// Watch implements [storetest.Watchable]. It returns once there is a token to resume from.
func (l resuming) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &resumingWatch{from: l.Watchable, ctx: ctx, cancel: cancel, request: req}
	for len(w.whole) == 0 {
		if err := w.advance(); err != nil {
			cancel()
			return nil, err
		}
	}
	return w, nil
}

// heard holds the events that Next has yet to return. An event counts once a token follows it: a snapshot that is cut
// begins again.
type heard struct {
	partial []store.Event // after the last token
	whole   []store.Event // up to the last token
}

func (h *heard) take(event store.Event) {
	h.partial = append(h.partial, event)
	if event.Token != "" {
		h.whole, h.partial = append(h.whole, h.partial...), nil
	}
}

// next returns the oldest event that counts, and calls advance until there is one.
func (h *heard) next(advance func() error) (store.Event, error) {
	for len(h.whole) == 0 {
		if err := advance(); err != nil {
			return store.Event{}, err
		}
	}
	event := h.whole[0]
	h.whole = h.whole[1:]
	return event, nil
}

// resumingWatch is one watch over a series of streams. Its Next uses the context of the watch.
type resumingWatch struct {
	from    storetest.Watchable
	ctx     context.Context // the context of the watch
	cancel  context.CancelFunc
	request store.WatchRequest // the current stream
	stream  store.Watcher      // nil while cut
	heard
}

// Next implements [store.Watcher].
func (w *resumingWatch) Next(context.Context) (store.Event, error) { return w.next(w.advance) }

// Close implements [store.Watcher].
func (w *resumingWatch) Close() { w.cancel() }

// advance takes one step: it opens a stream, or reads an event from it. A cut is not an error.
func (w *resumingWatch) advance() error {
	err := w.step()
	if err == nil || !unanswered(err) && w.ctx.Err() == nil {
		return err
	}
	if w.stream != nil {
		w.stream.Close()
	}
	w.stream, w.partial = nil, nil
	pause(w.ctx, 20*time.Millisecond)
	return w.ctx.Err()
}

func (w *resumingWatch) step() error {
	if w.stream == nil {
		stream, err := w.from.Watch(w.ctx, w.request)
		w.stream = stream
		return err
	}
	event, err := w.stream.Next(w.ctx)
	if err != nil {
		return err
	}
	w.take(event)
	if event.Token != "" {
		w.request.Resume, w.request.Snapshot = event.Token, false
	}
	return nil
}

// byLibrary watches with the Go library, which resumes by itself.
type byLibrary struct{ *client.Client }

// Watch implements [storetest.Watchable]. It returns once there is a token to resume from, or at once for a watch that
// resumes.
func (l byLibrary) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	options := []client.WatchOption{client.ResumeFrom(req.Resume)}
	if req.Snapshot {
		options = append(options, client.FromSnapshot())
	}
	receive, stop := iter.Pull2(l.Client.Watch(ctx, req.Prefix, options...))
	w := &libraryWatch{receive: receive, stop: stop}
	for req.Resume == "" && len(w.whole) == 0 {
		if err := w.advance(); err != nil {
			stop()
			return nil, err
		}
	}
	return w, nil
}

// libraryWatch is a watch of the Go library.
type libraryWatch struct {
	receive func() (client.Event, error, bool)
	stop    func()
	heard
}

// Next implements [store.Watcher].
func (w *libraryWatch) Next(context.Context) (store.Event, error) { return w.next(w.advance) }

// Close implements [store.Watcher].
func (w *libraryWatch) Close() { w.stop() }

var eventTypes = map[client.EventType]store.EventType{
	client.EventPut: store.Put, client.EventDelete: store.Deleted, client.EventExpire: store.Expired,
	client.EventEvict: store.Evicted, client.EventSync: store.Sync, client.EventTouch: store.Touched,
}

func (w *libraryWatch) advance() error {
	event, err, ok := w.receive()
	switch {
	case !ok:
		return errors.New("the watch ended without an error")
	case err != nil:
		return err
	case event.Type == client.EventReset:
		w.partial = nil
		return nil
	}
	version, _ := store.ParseVersion(event.Entry.ETag)
	w.take(store.Event{
		Type: eventTypes[event.Type], Token: event.ResumeToken,
		Entry: store.Entry{Key: event.Entry.Key, Value: event.Entry.Value, Version: version},
	})
	return nil
}
