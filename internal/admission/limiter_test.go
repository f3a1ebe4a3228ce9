package admission_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func wantOverloaded(t *testing.T, what string, err error) {
	t.Helper()
	if contract.ReasonOf(err) != contract.Overloaded {
		t.Errorf("%s = %v, want OVERLOADED", what, err)
	}
}

func TestCallsOverTheBoundAreRejected(t *testing.T) {
	t.Parallel()
	l := admission.New(admission.Config{Calls: 2})
	if err := errors.Join(l.Acquire(t.Context()), l.Acquire(t.Context())); err != nil {
		t.Fatalf("two calls = %v", err)
	}
	wantOverloaded(t, "a third call", l.Acquire(t.Context()))
	wantOverloaded(t, "a large call", l.AcquireLarge(t.Context()))
	if err := l.AcquireWatch(t.Context()); err != nil {
		t.Errorf("a watch = %v, want it not to be counted as a call", err)
	}
	l.Release(t.Context())
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Errorf("a call after another ended = %v", err)
	}
	l.ReleaseLarge(t.Context())
}

func TestFullForeseesRejections(t *testing.T) {
	t.Parallel()
	l := admission.New(admission.Config{Calls: 1})
	if l.RejectEarly(nil, contract.OneEntry) || l.RejectEarly(nil, contract.ManyEntries) {
		t.Error("a limiter without calls is full")
	}
	if err := l.Acquire(t.Context()); err != nil || !l.RejectEarly(nil, contract.OneEntry) || !l.RejectEarly(nil, contract.ManyEntries) {
		t.Errorf("at its bound (%v) the limiter is not full", err)
	}
	if (*admission.Limiter)(nil).RejectEarly(nil, contract.ManyEntries) {
		t.Error("a nil limiter is full")
	}
}

func TestWatchesOverTheBoundAreRejected(t *testing.T) {
	t.Parallel()
	l := admission.New(admission.Config{Watches: 1})
	if err := l.AcquireWatch(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOverloaded(t, "a second watch", l.AcquireWatch(t.Context()))
	if err := l.Acquire(t.Context()); err != nil {
		t.Errorf("a call = %v, want it not to be counted as a watch", err)
	}
	l.ReleaseWatch(t.Context())
	if err := l.AcquireWatch(t.Context()); err != nil {
		t.Errorf("a watch after the other ended = %v", err)
	}
}

func TestWithoutABoundNothingIsRejected(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]*admission.Limiter{"nil": nil, "zero": admission.New(admission.Config{})} {
		for range 10_000 {
			if err := errors.Join(l.Acquire(t.Context()), l.AcquireWatch(t.Context()), l.AcquireLarge(t.Context())); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		l.Release(t.Context())
		l.ReleaseWatch(t.Context())
		l.ReleaseLarge(t.Context())
	}
}

func TestCountingACallDoesNotAllocate(t *testing.T) {
	l := admission.New(admission.Config{Calls: 1, Large: 1})
	if n := testing.AllocsPerRun(100, func() { _ = l.Acquire(t.Context()); l.Release(t.Context()) }); n != 0 {
		t.Errorf("a call allocates %v times, want never", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = l.AcquireLarge(t.Context()); l.ReleaseLarge(t.Context()) }); n != 0 {
		t.Errorf("a large call that need not wait allocates %v times, want never", n)
	}
}

// large makes a large call that takes so long, and counts what becomes of it.
func large(ctx context.Context, l *admission.Limiter, takes time.Duration, done, rejected *atomic.Int64) {
	if l.AcquireLarge(ctx) != nil {
		rejected.Add(1)
		return
	}
	time.Sleep(takes)
	done.Add(1)
	l.ReleaseLarge(ctx)
}

func TestLargeCallsWaitInTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := admission.New(admission.Config{Large: 2})
		var done, rejected atomic.Int64
		start := time.Now()
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { large(t.Context(), l, time.Second, &done, &rejected) })
		}
		calls.Wait()
		if took := time.Since(start); took != 5*time.Second || done.Load() != 10 {
			t.Errorf("two at a time, %d of 10 calls of a second each ended in %v; want all in 5 s", done.Load(), took)
		}
	})
}

// A call that needs no processor for a while lets another one run, and none begins after that until no more run than may.
func TestACallThatPausesLetsAnotherRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := admission.New(admission.Config{Large: 1})
		if err := l.AcquireLarge(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := make(chan error)
		for range 2 {
			go func() { began <- l.AcquireLarge(t.Context()) }()
		}
		synctest.Wait()
		l.Pause()
		if err := <-began; err != nil {
			t.Fatal(err)
		}
		l.Resume() // two run
		l.ReleaseLarge(t.Context())
		synctest.Wait()
		select {
		case <-began:
			t.Error("a call began while another ran, want one at a time")
		default:
		}
		l.ReleaseLarge(t.Context())
		if err := <-began; err != nil {
			t.Error(err)
		}
		l.ReleaseLarge(t.Context())
	})
}

func TestACallThatIsCanceledLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := admission.New(admission.Config{Calls: 3, Large: 1})
		if err := l.AcquireLarge(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- l.AcquireLarge(ctx) }()
		synctest.Wait()
		go func() { second <- l.AcquireLarge(t.Context()) }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the canceled call = %v, want context.Canceled", err)
		}
		l.ReleaseLarge(t.Context())
		if err := <-second; err != nil {
			t.Errorf("the next in the queue = %v", err)
		}
		l.ReleaseLarge(t.Context())
		if err := errors.Join(l.Acquire(t.Context()), l.Acquire(t.Context()), l.Acquire(t.Context())); err != nil {
			t.Errorf("after all calls ended there is no capacity for three: %v", err)
		}
	})
}

// A slot that becomes free in the instant in which the next in the queue is canceled must not be lost.
func TestNoSlotIsLostToACancellation(t *testing.T) {
	t.Parallel()
	for range 200 {
		l := admission.New(admission.Config{Large: 1})
		if err := l.AcquireLarge(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		both.Go(func() {
			if l.AcquireLarge(ctx) == nil {
				l.ReleaseLarge(t.Context())
			}
		})
		both.Go(cancel)
		l.ReleaseLarge(t.Context())
		both.Wait()
		if err := l.AcquireLarge(t.Context()); err != nil {
			t.Fatalf("the slot is lost: %v", err)
		}
	}
}

// At ten times the capacity, calls run at full rate, none waits for long, and rejections are immediate.
func TestTheQueueIsAsLongAsItIsFast(t *testing.T) {
	t.Parallel()
	for name, takes := range map[string]time.Duration{"a millisecond": time.Millisecond, "5 ms": 5 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := admission.New(admission.Config{Large: 2})
				var done, rejected, slow atomic.Int64
				var calls sync.WaitGroup
				begin := time.Now()
				for time.Since(begin) < 3*time.Second {
					calls.Go(func() {
						start, full := time.Now(), l.RejectEarly(nil, contract.ManyEntries)
						if l.AcquireLarge(t.Context()) != nil {
							rejected.Add(1)
							if time.Since(start) != 0 || !full {
								t.Error("a rejection took time, or was not foreseen")
							}
							return
						}
						if waited := time.Since(start); time.Since(begin) > time.Second && waited > 150*time.Millisecond {
							slow.Add(1)
						}
						time.Sleep(takes)
						done.Add(1)
						l.ReleaseLarge(t.Context())
					})
					time.Sleep(takes / 20)
				}
				calls.Wait()
				if can := int64(3 * time.Second / takes * 2); done.Load() < can*99/100 {
					t.Errorf("%d calls ended, want about %d", done.Load(), can)
				}
				if rejected.Load() == 0 || slow.Load() != 0 {
					t.Errorf("%d were rejected and %d waited for long, want some and none", rejected.Load(), slow.Load())
				}
			})
		})
	}
}

func TestCallsWithinALargeCallAreNotCounted(t *testing.T) {
	t.Parallel()
	l, other := admission.New(admission.Config{Calls: 1, Large: 1}), admission.New(admission.Config{Calls: 1})
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := l.WithAcquired(t.Context())
	if err := l.AcquireLarge(ctx); err != nil {
		t.Errorf("a call within a large call = %v", err)
	}
	l.ReleaseLarge(ctx)
	wantOverloaded(t, "another call after it", l.AcquireLarge(t.Context()))
	if err := other.AcquireLarge(ctx); err != nil {
		t.Fatalf("a call at another limiter = %v", err)
	}
	wantOverloaded(t, "another call there", other.AcquireLarge(ctx))
	l.ReleaseLarge(t.Context())
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Errorf("a call after the large call ended = %v", err)
	}
}

func TestOneKeyCannotFillTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := admission.New(admission.Config{Large: 1})
		if err := l.AcquireLarge(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(auth.NewContext(t.Context(), auth.Internal("greedy")))
		var waiting, rejected atomic.Int64
		var all sync.WaitGroup
		for range 2000 {
			all.Go(func() {
				waiting.Add(1)
				if err := l.AcquireLarge(ctx); contract.ReasonOf(err) == contract.Overloaded {
					rejected.Add(1)
				}
			})
			synctest.Wait()
		}
		if in := waiting.Load() - rejected.Load(); in != 768 {
			t.Errorf("%d calls of one key wait, want 768 of 1,024", in)
		}
		modest := auth.NewContext(t.Context(), auth.Internal("modest"))
		if !l.RejectEarly(auth.FromContext(ctx), contract.ManyEntries) || l.RejectEarly(auth.FromContext(modest), contract.ManyEntries) {
			t.Error("the queue is not full for the one key, or full for another")
		}
		cancel()
		all.Wait()
		if l.RejectEarly(auth.FromContext(ctx), contract.ManyEntries) {
			t.Error("the queue is full after all gave up")
		}
		l.ReleaseLarge(t.Context())
	})
}

// usageOf returns what l says of a bound.
func usageOf(l *admission.Limiter, bound string) admission.Usage {
	for _, u := range l.Usage() {
		if u.Bound == bound {
			return u
		}
	}
	return admission.Usage{}
}

func TestEachRejectionIsCountedWithItsBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := admission.New(admission.Config{Calls: 2, Watches: 1, Bytes: 4 << 20})
		full := begin(t, t.Context(), l)
		if err := errors.Join(l.Acquire(t.Context()), l.Acquire(t.Context()), l.AcquireWatch(t.Context()), full.Add(3<<20)); err != nil {
			t.Fatal(err)
		}
		wantOverloaded(t, "a third call", l.Acquire(t.Context()))
		if !l.RejectEarly(nil, contract.OneEntry) {
			t.Error("at its bound the limiter is not full")
		}
		wantOverloaded(t, "a second watch", l.AcquireWatch(t.Context()))
		wantOverloaded(t, "more memory", begin(t, t.Context(), l).Add(1<<20))
		for _, want := range []admission.Usage{
			{Bound: "calls", Used: 2, Max: 2, Rejected: 2}, {Bound: "watches", Used: 1, Max: 1, Rejected: 1},
			{Bound: "memory", Used: 3<<20 - 16<<10, Max: 4 << 20, Rejected: 1}, {Bound: "queue"},
		} {
			if got := usageOf(l, want.Bound); got != want {
				t.Errorf("the usage is %+v, want %+v", got, want)
			}
		}
	})
}

func TestLargeCallsThatMayNotWaitAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := admission.New(admission.Config{Large: 1})
		if err := l.AcquireLarge(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		places := usageOf(l, "queue").Max
		var waiting sync.WaitGroup
		for range places {
			waiting.Go(func() { _ = l.AcquireLarge(ctx) })
		}
		synctest.Wait()
		wantOverloaded(t, "a large call too many", l.AcquireLarge(ctx))
		if got, want := usageOf(l, "queue"), (admission.Usage{Bound: "queue", Used: places, Max: places, Rejected: 1}); got != want {
			t.Errorf("the usage is %+v, want %+v", got, want)
		}
		cancel()
		waiting.Wait()
	})
}
