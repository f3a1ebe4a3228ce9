package client

import (
	"context"
	"errors"
	"iter"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/hop"
)

// watcher is one watch over as many streams as it takes.
type watcher struct {
	watchOptions

	open    func(context.Context, *keyvaluev1.WatchRequest) (keyvaluev1connect.KeyValueServiceWatchClientStream, error)
	request *keyvaluev1.WatchRequest
	yield   func(Event, error) bool

	backoff hop.Backoff
	cut     error // why the latest stream ended, if nothing was heard since
	partial bool  // whether a part of a snapshot was told, and not yet its end
	reset   bool  // whether the next thing to tell is that what was told counts no more
}

// errLeft is why a stream ends whose reader has left the loop.
var errLeft = errors.New("the reader left")

func (c *Client) watch(
	ctx context.Context, target *keyvaluev1.WatchRequest, opts []WatchOption,
) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := &watcher{
			open: c.rpc.Watch, yield: yield, request: &keyvaluev1.WatchRequest{Target: target.GetTarget()},
		}
		for _, opt := range opts {
			opt(&w.watchOptions)
		}
		if err := w.run(ctx); !errors.Is(err, errLeft) {
			yield(Event{}, err)
		}
	}
}

// run goes from stream to stream until the watch ends.
func (w *watcher) run(ctx context.Context) error {
	for ctx.Err() == nil {
		opened := time.Now()
		err := w.follow(ctx)
		if errors.Is(err, errLeft) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		if w.cut = newError(ctx, w.request, err); !w.prepare(w.cut) {
			return w.cut
		}
		if time.Since(opened) > hop.MaxWait {
			w.backoff = hop.Backoff{}
		}
		if w.onCut != nil {
			w.onCut(w.cut)
		}
		hop.Pause(ctx, w.backoff.Next())
	}
	return w.ended(ctx)
}

// follow tells what comes over one stream, and returns why it came to its end.
func (w *watcher) follow(ctx context.Context) error {
	// The deadline stays here: a service that knew it would end the watch an instant before ctx does, and that
	// would look like a cut.
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	w.request.ResumeToken, w.request.Snapshot = w.token, w.snapshot && w.token == ""
	stream, err := w.open(streamCtx, w.request)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		res, err := stream.Receive()
		if err != nil {
			return err
		}
		if !w.tell(newEvent(res)) {
			return errLeft
		}
	}
}

// tell passes event on, and returns false if the reader has left.
func (w *watcher) tell(event Event) bool {
	if w.reset {
		w.reset = false
		if !w.yield(Event{Type: EventReset}, nil) {
			return false
		}
	}
	w.cut, w.partial = nil, event.ResumeToken == ""
	if !w.partial {
		w.token, w.backoff = event.ResumeToken, hop.Backoff{}
	}
	return w.yield(event, nil)
}

// prepare makes ready for another stream after err, or returns false if that would not help.
func (w *watcher) prepare(err error) bool {
	switch {
	case errors.Is(err, ErrResumeTooOld) && w.startOver:
		w.token, w.snapshot, w.reset = "", true, true
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrOverloaded):
		w.reset = w.reset || w.partial
	default:
		return false
	}
	return true
}

// ended is the error of a watch whose context is done. It also tells of a cut since when nothing was heard.
func (w *watcher) ended(ctx context.Context) error {
	e := &Error{Code: connect.CodeCanceled, Message: "the watch ended: " + ctx.Err().Error(), cause: ctx.Err()}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Code = connect.CodeDeadlineExceeded
	}
	if w.cut != nil {
		e.Message += "; it was cut before: " + w.cut.Error()
		e.cause = errors.Join(ctx.Err(), w.cut)
	}
	return e
}
