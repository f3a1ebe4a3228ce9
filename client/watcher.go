package client

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/hop"
)

// watcher is one watch, over as many streams as needed.
type watcher struct {
	watchOptions

	open    func(context.Context, *keyvaluev1.WatchRequest) (keyvaluev1connect.KeyValueServiceWatchClientStream, error)
	request *keyvaluev1.WatchRequest
	yield   func(Event, error) bool
	log     *slog.Logger // nil: nothing is logged

	backoff hop.Backoff
	cut     error // why the latest stream ended, if no event has come since
	partial bool  // whether a snapshot has begun and not ended
	reset   bool  // whether an EventReset comes next
}

// errStopped ends a stream whose reader has left the loop.
var errStopped = errors.New("stopped by the reader")

func (c *Client) watch(
	ctx context.Context, target *keyvaluev1.WatchRequest, opts []WatchOption,
) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := &watcher{
			open: c.rpc.Watch, yield: yield, request: &keyvaluev1.WatchRequest{Target: target.GetTarget()}, log: c.log,
		}
		for _, opt := range opts {
			opt(&w.watchOptions)
		}
		if err := w.run(ctx); !errors.Is(err, errStopped) {
			yield(Event{}, err)
		}
	}
}

// run follows one stream after the other until the watch ends.
func (w *watcher) run(ctx context.Context) error {
	for ctx.Err() == nil {
		opened := time.Now()
		err := w.follow(ctx)
		if errors.Is(err, errStopped) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		if w.cut = newError(ctx, w.request, err); !w.prepare(w.cut) {
			w.report(ctx, slog.LevelWarn, "watch ended", "error", w.cut)
			return w.cut
		}
		w.report(ctx, slog.LevelWarn, "watch interrupted", "error", w.cut)
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

// follow yields the events of one stream and returns the error that ended it.
func (w *watcher) follow(ctx context.Context) error {
	// The deadline is not sent: a service that knew it would end the watch just before ctx does, which would look like an
	// interruption.
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
		if w.cut != nil {
			w.report(ctx, slog.LevelInfo, "watch resumed")
		}
		if !w.tell(newEvent(res)) {
			return errStopped
		}
	}
}

// report logs what happens to the watch.
func (w *watcher) report(ctx context.Context, level slog.Level, message string, args ...any) {
	if w.log == nil {
		return
	}
	target := []any{"prefix", w.request.GetPrefix()}
	if w.request.GetKey() != "" {
		target = []any{"key", w.request.GetKey()}
	}
	w.log.Log(ctx, level, message, append(target, args...)...)
}

// tell yields event, and returns false if the reader has left the loop.
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

// prepare sets up the next stream after err. It returns false if another stream would fail in the same way.
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

// ended returns the error of a watch whose context ended. It includes an interruption from which the watch has not
// resumed.
func (w *watcher) ended(ctx context.Context) error {
	e := &Error{Code: connect.CodeCanceled, Message: "the watch ended: " + ctx.Err().Error(), cause: ctx.Err()}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Code = connect.CodeDeadlineExceeded
	}
	if w.cut != nil {
		e.Message += "; before that it was interrupted: " + w.cut.Error()
		e.cause = errors.Join(ctx.Err(), w.cut)
	}
	return e
}
