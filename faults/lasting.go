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

// lasting opens watches that are opened again behind their last event when they are cut, as EventSource and the Go
// library do.
type lasting struct{ storetest.Watchable }

// Watch implements [storetest.Watchable]. It returns once there is a token to resume from.
func (l lasting) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &lastingWatch{from: l.Watchable, ctx: ctx, cancel: cancel, request: req}
	for len(w.heard) == 0 {
		if err := w.advance(); err != nil {
			cancel()
			return nil, err
		}
	}
	return w, nil
}

// lastingWatch is one watch over any number of streams. Its Next obeys the context of the watch.
type lastingWatch struct {
	from    storetest.Watchable
	ctx     context.Context //nolint:containedctx // that of the watch
	cancel  context.CancelFunc
	request store.WatchRequest // the next stream
	stream  store.Watcher      // nil: cut
	partial []store.Event      // a snapshot that is not complete
	heard   []store.Event      // what is to be returned
}

// Next implements [store.Watcher].
func (w *lastingWatch) Next(context.Context) (store.Event, error) {
	for len(w.heard) == 0 {
		if err := w.advance(); err != nil {
			return store.Event{}, err
		}
	}
	event := w.heard[0]
	w.heard = w.heard[1:]
	return event, nil
}

// Close implements [store.Watcher].
func (w *lastingWatch) Close() { w.cancel() }

// advance takes one step: opens a stream, or takes an event from it. A cut is no error.
func (w *lastingWatch) advance() error {
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

func (w *lastingWatch) step() error {
	if w.stream == nil {
		stream, err := w.from.Watch(w.ctx, w.request)
		w.stream = stream
		return err
	}
	event, err := w.stream.Next(w.ctx)
	if err != nil {
		return err
	}
	w.partial = append(w.partial, event)
	if event.Token != "" {
		w.request.Resume, w.request.Snapshot = event.Token, false
		w.heard, w.partial = append(w.heard, w.partial...), nil
	}
	return nil
}

// byLibrary has the Go library watch, which resumes by itself.
type byLibrary struct{ *client.Client }

// Watch implements [storetest.Watchable]. It returns once there is a token to resume from, or nothing to wait for
// because the watch resumes.
func (l byLibrary) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	options := []client.WatchOption{client.ResumeFrom(req.Resume)}
	if req.Snapshot {
		options = append(options, client.FromSnapshot())
	}
	next, stop := iter.Pull2(l.Client.Watch(ctx, req.Prefix, options...))
	w := &libraryWatch{next: next, stop: stop}
	for req.Resume == "" && len(w.heard) == 0 {
		if err := w.advance(); err != nil {
			stop()
			return nil, err
		}
	}
	return w, nil
}

// libraryWatch is a watch of the Go library.
type libraryWatch struct {
	next    func() (client.Event, error, bool)
	stop    func()
	partial []store.Event // a snapshot that is not complete
	heard   []store.Event // what is to be returned
}

// Next implements [store.Watcher].
func (w *libraryWatch) Next(context.Context) (store.Event, error) {
	for len(w.heard) == 0 {
		if err := w.advance(); err != nil {
			return store.Event{}, err
		}
	}
	event := w.heard[0]
	w.heard = w.heard[1:]
	return event, nil
}

// Close implements [store.Watcher].
func (w *libraryWatch) Close() { w.stop() }

var eventTypes = map[client.EventType]store.EventType{
	client.EventPut: store.Put, client.EventDelete: store.Deleted, client.EventExpire: store.Expired,
	client.EventEvict: store.Evicted, client.EventSync: store.Sync,
}

func (w *libraryWatch) advance() error {
	event, err, ok := w.next()
	switch {
	case !ok:
		return errors.New("the watch ended without a word")
	case err != nil:
		return err
	case event.Type == client.EventReset:
		w.partial = nil
		return nil
	}
	version, _ := store.ParseVersion(event.Entry.ETag)
	w.partial = append(w.partial, store.Event{
		Type: eventTypes[event.Type], Token: event.ResumeToken,
		Entry: store.Entry{Key: event.Entry.Key, Value: event.Entry.Value, Version: version},
	})
	if event.ResumeToken != "" {
		w.heard, w.partial = append(w.heard, w.partial...), nil
	}
	return nil
}
