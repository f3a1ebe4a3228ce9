package rest

import (
	"context"
	"errors"
	"io"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// feedEvents is how many events a feed holds for a reader who is busy. A reader who is slower than that keeps
// the service waiting, which ends the watch when it has to.
const feedEvents = 8

// feed is a watch that a goroutine of its own receives, so that its reader can wait for other things as well.
type feed struct {
	events chan *keyvaluev1.WatchResponse // closed when the watch has ended
	err    error                          // why it has; set before events is closed
	cancel func()
}

// follow opens a watch, which ends with ctx or when the server stops. Whoever calls it closes the feed.
func (a *api) follow(ctx context.Context, req *keyvaluev1.WatchRequest) *feed {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(a.stopping, cancel)
	f := &feed{
		events: make(chan *keyvaluev1.WatchResponse, feedEvents),
		cancel: func() { release(); cancel() },
	}
	go func() {
		defer close(f.events)
		f.err = a.ended(f.receive(ctx, a.client.Watch, req))
	}()
	return f
}

// receive never returns nil.
func (f *feed) receive(ctx context.Context, watch watchFunc, req *keyvaluev1.WatchRequest) error {
	stream, err := watch(ctx, req)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		event, err := stream.Receive()
		if err != nil {
			return err
		}
		select {
		case f.events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ended returns what the caller is told of the end of a watch.
func (a *api) ended(err error) error {
	switch {
	case a.stopping.Err() != nil:
		return contract.ServiceUnavailable.Errorf("the gateway is stopping; resume from the id of the last event")
	case errors.Is(err, io.EOF):
		return contract.ServiceUnavailable.Errorf("the service ended the watch; resume from the id of the last event")
	}
	return err
}

// first waits for the first event, or for the reason why there is none. It returns nil and no error when bound
// has passed.
func (f *feed) first(bound time.Duration) (*keyvaluev1.WatchResponse, error) {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case event, ok := <-f.events:
		if !ok {
			return nil, f.err
		}
		return event, nil
	case <-timer.C:
		return nil, nil
	}
}

// close ends the watch and waits until its goroutine is gone.
func (f *feed) close() {
	f.cancel()
	for range f.events {
	}
}
