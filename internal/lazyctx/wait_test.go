package lazyctx_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/lazyctx"
)

func TestAWaitEndsWithWhatItWaitsFor(t *testing.T) {
	for _, after := range []time.Duration{0, lazyctx.Unheeded / 2, 10 * lazyctx.Unheeded} {
		synctest.Test(t, func(t *testing.T) {
			var w lazyctx.Waiter
			done := make(chan struct{})
			time.AfterFunc(after, func() { close(done) })
			begin := time.Now()
			if err := w.Wait(t.Context(), done); err != nil {
				t.Errorf("Wait = %v", err)
			}
			if took := time.Since(begin); took != after {
				t.Errorf("Wait took %v, want %v", took, after)
			}
		})
	}
}

func TestAWaitKeepsToTheDeadlineOfItsContext(t *testing.T) {
	for _, after := range []time.Duration{0, lazyctx.Unheeded / 2, 10 * lazyctx.Unheeded} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			if took := failedWait(t, ctx, context.DeadlineExceeded); took != after {
				t.Errorf("Wait took %v, want %v", took, after)
			}
		})
	}
}

func TestAWaitNoticesLateThatItsContextWasCanceled(t *testing.T) {
	for _, after := range []time.Duration{0, lazyctx.Unheeded / 2, 10 * lazyctx.Unheeded} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			if took, want := failedWait(t, ctx, context.Canceled), max(after, lazyctx.Unheeded); took != want {
				t.Errorf("Wait took %v, want %v", took, want)
			}
		})
	}
}

// failedWait waits for nothing, and returns how long it took. It must fail with want.
func failedWait(t *testing.T, ctx context.Context, want error) time.Duration {
	t.Helper()
	var w lazyctx.Waiter
	begin := time.Now()
	if err := w.Wait(ctx, nil); !errors.Is(err, want) {
		t.Errorf("Wait = %v, want %v", err, want)
	}
	return time.Since(begin)
}

// untouched is a context that must not be asked for its channel.
type untouched struct {
	context.Context
	t *testing.T
}

func (u untouched) Done() <-chan struct{} {
	u.t.Error("a short wait has asked its context for a channel")
	return nil
}

func TestShortWaitsShareATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w lazyctx.Waiter
		done := make(chan struct{})
		close(done)
		_ = w.Wait(t.Context(), done) // starts the timer
		wait := func() { _ = w.Wait(untouched{t.Context(), t}, done) }
		if n := testing.AllocsPerRun(100, wait); n > 1 { // the context
			t.Errorf("a wait makes %v allocations, want none but the context", n)
		}
	})
}
