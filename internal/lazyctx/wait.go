package lazyctx

import (
	"context"
	"sync/atomic"
	"time"
)

// Unheeded is how long Wait may take to notice that a context was canceled.
const Unheeded = 10 * time.Millisecond

// Waiter waits for what usually happens soon, without asking contexts for their channels, which costs more than such a wait.
// The zero value is ready. Its methods may be called concurrently.
type Waiter struct {
	later atomic.Pointer[chan struct{}] // closed within Unheeded; nil: nobody has waited lately
}

// Wait waits until done is closed, and returns nil, or until ctx is done, and returns its error. It keeps to a deadline, and
// notices up to [Unheeded] late that ctx was canceled.
func (w *Waiter) Wait(ctx context.Context, done <-chan struct{}) error {
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > Unheeded {
		select {
		case <-done:
			return nil
		case <-w.soon():
		}
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// soon returns a channel that is closed within Unheeded, and that all share who wait now, with its timer.
func (w *Waiter) soon() <-chan struct{} {
	for {
		if later := w.later.Load(); later != nil {
			return *later
		}
		later := make(chan struct{})
		if w.later.CompareAndSwap(nil, &later) {
			time.AfterFunc(Unheeded, func() {
				w.later.Store(nil)
				close(later)
			})
			return later
		}
	}
}
