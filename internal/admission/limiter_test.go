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
	"key-value/internal/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func wantOverloaded(t *testing.T, what string, err error) {
	t.Helper()
	if contract.ReasonOf(err) != contract.Overloaded {
		t.Errorf("%s = %v, want OVERLOADED", what, err)
	}
}

func TestCallsBeyondTheBoundAreRefused(t *testing.T) {
	l := admission.New(admission.Config{Calls: 2})
	if err := errors.Join(l.Acquire(), l.Acquire()); err != nil {
		t.Fatalf("two calls = %v", err)
	}
	wantOverloaded(t, "a third call", l.Acquire())
	wantOverloaded(t, "a large call", l.AcquireLarge(t.Context()))
	if err := l.AcquireWatch(); err != nil {
		t.Errorf("a watch = %v, want it not to be counted as a call", err)
	}
	l.Release()
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Errorf("a call when another is over = %v", err)
	}
	l.ReleaseLarge(t.Context())
}

func TestWhatWouldBeRefusedIsKnownBefore(t *testing.T) {
	l := admission.New(admission.Config{Calls: 1})
	if l.Full(contract.OneEntry) || l.Full(contract.ManyEntries) {
		t.Error("a limiter that has let nobody in is full")
	}
	if err := l.Acquire(); err != nil || !l.Full(contract.OneEntry) || !l.Full(contract.ManyEntries) {
		t.Errorf("with all the calls that there may be (%v), it is not full", err)
	}
	if (*admission.Limiter)(nil).Full(contract.ManyEntries) {
		t.Error("a nil limiter is full")
	}
}

func TestWatchesBeyondTheBoundAreRefused(t *testing.T) {
	l := admission.New(admission.Config{Watches: 1})
	if err := l.AcquireWatch(); err != nil {
		t.Fatal(err)
	}
	wantOverloaded(t, "a second watch", l.AcquireWatch())
	if err := l.Acquire(); err != nil {
		t.Errorf("a call = %v, want it not to be counted as a watch", err)
	}
	l.ReleaseWatch()
	if err := l.AcquireWatch(); err != nil {
		t.Errorf("a watch when the other is over = %v", err)
	}
}

func TestWhatIsNotBoundedIsLetIn(t *testing.T) {
	for name, l := range map[string]*admission.Limiter{"nil": nil, "zero": admission.New(admission.Config{})} {
		for range 10_000 {
			if err := errors.Join(l.Acquire(), l.AcquireWatch(), l.AcquireLarge(t.Context())); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		l.Release()
		l.ReleaseWatch()
		l.ReleaseLarge(t.Context())
	}
}

func TestACallCostsNothingToCount(t *testing.T) {
	l := admission.New(admission.Config{Calls: 1, Large: 1})
	if n := testing.AllocsPerRun(100, func() { _ = l.Acquire(); l.Release() }); n != 0 {
		t.Errorf("a call allocates %v times, want never", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = l.AcquireLarge(t.Context()); l.ReleaseLarge(t.Context()) }); n != 0 {
		t.Errorf("a large call that need not wait allocates %v times, want never", n)
	}
}

// large takes a turn for the given time and counts how it went.
func large(ctx context.Context, l *admission.Limiter, takes time.Duration, done, refused *atomic.Int64) {
	if l.AcquireLarge(ctx) != nil {
		refused.Add(1)
		return
	}
	time.Sleep(takes)
	done.Add(1)
	l.ReleaseLarge(ctx)
}

func TestLargeCallsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := admission.New(admission.Config{Large: 2})
		var done, refused atomic.Int64
		start := time.Now()
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { large(t.Context(), l, time.Second, &done, &refused) })
		}
		calls.Wait()
		if took := time.Since(start); took != 5*time.Second || done.Load() != 10 {
			t.Errorf("%d of 10 calls of a second each were done in %v, two at a time; want all in 5 s", done.Load(), took)
		}
	})
}

func TestWhoLeavesTheLineGivesItsPlaceToTheNext(t *testing.T) {
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
			t.Errorf("waiting = %v, want context.Canceled", err)
		}
		l.ReleaseLarge(t.Context())
		if err := <-second; err != nil {
			t.Errorf("the next in line = %v", err)
		}
		l.ReleaseLarge(t.Context())
		if err := errors.Join(l.Acquire(), l.Acquire(), l.Acquire()); err != nil {
			t.Errorf("with nobody left there is no room for three calls: %v", err)
		}
	})
}

// A turn that comes at the instant at which its caller gives up must not be lost.
func TestATurnThatNobodyTakesIsPassedOn(t *testing.T) {
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
			t.Fatalf("there is no turn any more: %v", err)
		}
	}
}

// At ten times what can be done, all that can be done is done, nobody waits for long, and who is refused need not wait.
func TestTheLineIsAsLongAsItIsFast(t *testing.T) {
	for name, takes := range map[string]time.Duration{"a millisecond": time.Millisecond, "5 ms": 5 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := admission.New(admission.Config{Large: 2})
				var done, refused, slow atomic.Int64
				var calls sync.WaitGroup
				begin := time.Now()
				for time.Since(begin) < 3*time.Second {
					calls.Go(func() {
						start, full := time.Now(), l.Full(contract.ManyEntries)
						if l.AcquireLarge(t.Context()) != nil {
							refused.Add(1)
							if time.Since(start) != 0 || !full {
								t.Error("a refusal took time, or was not foreseen")
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
					t.Errorf("%d calls were done of %d that could have been", done.Load(), can)
				}
				if refused.Load() == 0 || slow.Load() != 0 {
					t.Errorf("%d were refused and %d waited for long, want some and none", refused.Load(), slow.Load())
				}
			})
		})
	}
}

func TestCallsWithinATurnNeedNoneOfTheirOwn(t *testing.T) {
	l, other := admission.New(admission.Config{Calls: 1, Large: 1}), admission.New(admission.Config{Calls: 1})
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := l.WithAcquired(t.Context())
	if err := l.AcquireLarge(ctx); err != nil {
		t.Errorf("a call within a turn = %v", err)
	}
	l.ReleaseLarge(ctx)
	wantOverloaded(t, "another call behind it", l.AcquireLarge(t.Context()))
	if err := other.AcquireLarge(ctx); err != nil {
		t.Fatalf("a call at another limiter = %v", err)
	}
	wantOverloaded(t, "another call there", other.AcquireLarge(ctx))
	l.ReleaseLarge(t.Context())
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Errorf("a call when the turn is over = %v", err)
	}
}
