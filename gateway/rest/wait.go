package rest

import (
	"context"
	"net/http"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// awaitValue is getValue for a caller who would rather wait than be told that nothing has changed. It waits for
// as long as the answer would be 304, and then answers as getValue would.
//
// It reads when the watch has begun, and again after every event, so that no change is lost between a read and
// the wait for the next change.
func (a *api) awaitValue(w http.ResponseWriter, r request, c condition, wait time.Duration) error {
	// The service is not told how long: its verdict that the time is up would be one more way to end.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer time.AfterFunc(wait, cancel).Stop()
	f := a.follow(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: r.key}})
	defer f.close()
	setWaited(w.Header(), wait)
	for {
		_, more := <-f.events
		if !more && !a.mayEnd(ctx, f.err) {
			return f.err
		}
		entry, err := a.read(r)
		if err != nil {
			return err
		}
		v, err := c.verdict(r, entry)
		if err != nil {
			return err
		}
		if !more || !v.notModified {
			a.answer(w, r, entry, v)
			return nil
		}
	}
}

// mayEnd reports whether a watch that ended with err has only ended the wait: the time is up, the server stops,
// or there were more events than the service keeps.
func (a *api) mayEnd(ctx context.Context, err error) bool {
	return ctx.Err() != nil || a.stopping.Err() != nil || contract.ReasonOf(err) == contract.ResumeTooOld
}
