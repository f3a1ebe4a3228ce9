package lazyctx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/lazyctx"
)

// each runs test with a lazy context nobody has waited for, and with one that somebody has.
func each(t *testing.T, parent context.Context, test func(t *testing.T, ctx *lazyctx.Context)) {
	for _, waited := range []bool{false, true} {
		t.Run(fmt.Sprint("waited for: ", waited), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := lazyctx.WithTimeout(parent, time.Minute)
				defer ctx.Cancel()
				if waited {
					ctx.Done()
				}
				test(t, ctx)
			})
		})
	}
}

// want checks that a context has ended with an error.
func want(t *testing.T, ctx context.Context, err error) {
	t.Helper()
	if got := ctx.Err(); !errors.Is(got, err) {
		t.Errorf("Err = %v, want %v", got, err)
	}
	if got := context.Cause(ctx); !errors.Is(got, err) {
		t.Errorf("Cause = %v, want %v", got, err)
	}
	select {
	case <-ctx.Done():
	default:
		t.Error("Done is open")
	}
}

func TestAContextEndsAtItsDeadline(t *testing.T) {
	each(t, context.Background(), func(t *testing.T, ctx *lazyctx.Context) {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != time.Minute {
			t.Errorf("Deadline is in %v, %v; want in a minute", time.Until(deadline), ok)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if err := ctx.Err(); err != nil {
			t.Errorf("Err = %v before the deadline", err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		want(t, ctx, context.DeadlineExceeded)
	})
}

func TestAContextEndsWithItsParent(t *testing.T) {
	cause := errors.New("the caller has gone")
	for _, waited := range []bool{false, true} {
		parent, cancel := context.WithCancelCause(t.Context())
		ctx := lazyctx.WithTimeout(parent, time.Minute)
		defer ctx.Cancel()
		if waited {
			ctx.Done()
		}
		cancel(cause)
		if err := ctx.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("Err = %v, want that it was canceled", err)
		}
		if got := context.Cause(ctx); !errors.Is(got, cause) {
			t.Errorf("Cause = %v, want %v", got, cause)
		}
		<-ctx.Done()
	}
}

func TestAContextEndsWhenItIsCanceled(t *testing.T) {
	each(t, context.Background(), func(t *testing.T, ctx *lazyctx.Context) {
		ctx.Cancel()
		want(t, ctx, context.Canceled)
	})
}

func TestTheEarlierDeadlineCounts(t *testing.T) {
	each(t, context.Background(), func(t *testing.T, ctx *lazyctx.Context) {
		inner := lazyctx.WithTimeout(ctx, time.Hour)
		defer inner.Cancel()
		if deadline, _ := inner.Deadline(); time.Until(deadline) != time.Minute {
			t.Errorf("the deadline is in %v, want in a minute", time.Until(deadline))
		}
	})
}

type key struct{}

func TestChildrenEndWithAContext(t *testing.T) {
	each(t, context.WithValue(context.Background(), key{}, "value"), func(t *testing.T, ctx *lazyctx.Context) {
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		if got := child.Value(key{}); got != "value" {
			t.Errorf("Value = %v, want that of the parent", got)
		}
		ctx.Cancel()
		want(t, child, context.Canceled)
	})
}

func TestAContextThatNobodyWaitsForIsOneAllocation(t *testing.T) {
	parent := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		ctx := lazyctx.WithTimeout(parent, time.Minute)
		_ = ctx.Err()
		ctx.Cancel()
	}); n > 1 {
		t.Errorf("it is %v allocations, want 1", n)
	}
}
