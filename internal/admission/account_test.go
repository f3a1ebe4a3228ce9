package admission_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// bytesOf returns a limiter of n bytes, of which three quarters are for calls.
func bytesOf(n int64) *admission.Limiter { return admission.New(admission.Config{Bytes: n}) }

// begin admits a call.
func begin(t *testing.T, ctx context.Context, l *admission.Limiter) *admission.Account {
	t.Helper()
	ctx, account, err := admission.NewChecks(nil, l).Admit(ctx, admission.Request{})
	if err != nil || admission.AccountOf(ctx) != account {
		t.Fatalf("Admit = %v, or the context does not have the account", err)
	}
	return account
}

// used checks how much of the budget of l is in use.
func used(t *testing.T, l *admission.Limiter, when string, want int64) {
	t.Helper()
	if got := l.Budget().Used(); got != want {
		t.Errorf("%s, %d KiB are in use, want %d", when, got/kib, want/kib)
	}
}

func TestMemoryOverTheBudgetIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := bytesOf(4 * mib)
		first, second := begin(t, t.Context(), l), begin(t, t.Context(), l)
		if err := first.Add(2 * mib); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		wantOverloaded(t, "more than there is", second.Add(2*mib))
		if waited := time.Since(start); waited <= 0 || waited > time.Second {
			t.Errorf("it was refused after %v, want a moment in which memory may become free", waited)
		}
		go func() {
			time.Sleep(time.Millisecond)
			first.End()
		}()
		if err := second.Add(2 * mib); err != nil {
			t.Errorf("what became free in time = %v", err)
		}
		second.End()
		used(t, l, "after both calls", 0)
	})
}

func TestSmallCallsUseNoBudget(t *testing.T) {
	t.Parallel()
	l := bytesOf(mib)
	accounts := make([]*admission.Account, 1000)
	for i := range accounts {
		accounts[i] = begin(t, t.Context(), l)
		if err := errors.Join(accounts[i].Add(8*kib), accounts[i].Add(8*kib)); err != nil {
			t.Fatal(err)
		}
	}
	used(t, l, "with a thousand small calls", 0)
	if err := accounts[0].Add(1); err != nil {
		t.Error(err)
	}
	used(t, l, "with one that is larger", 16*kib)
	accounts[0].Drop(1)
	used(t, l, "when that is small again", 0)
}

func TestACallThatWritesIsAnswered(t *testing.T) {
	t.Parallel()
	l := bytesOf(4 * mib)
	set := begin(t, t.Context(), l)
	if err := errors.Join(set.Add(3*mib), set.Expect(&keyvaluev1.SetRequest{}), set.Add(mib)); err != nil {
		t.Errorf("a Set = %v, want it to be answered whatever that takes", err)
	}
	set.End()
	used(t, l, "after a Set", 0)

	get, write := &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: &keyvaluev1.GetRequest{}}},
		&keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Delete{Delete: &keyvaluev1.DeleteRequest{}}}
	mixed := &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{get, write}}
	batch := begin(t, t.Context(), l)
	if err := errors.Join(batch.Add(mib), batch.Expect(mixed)); err != nil {
		t.Fatal(err)
	}
	used(t, l, "with a batch that reads and writes", 3*mib-16*kib)
	if err := batch.AddAnswer(&keyvaluev1.GetResponse{Entry: entry(mib)}, false); err != nil {
		t.Error(err)
	}
	used(t, l, "when it is answered", 3*mib) // an entry has a few bytes more
	wantOverloaded(t, "another one", begin(t, t.Context(), l).Expect(mixed))
	batch.End()
	reads := begin(t, t.Context(), l)
	if err := reads.Expect(&keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{get}}); err != nil {
		t.Error(err)
	}
	used(t, l, "with a batch that only reads", 0)
	if err := begin(t, t.Context(), l).Add(mib); err != nil {
		t.Fatal(err)
	}
	wantOverloaded(t, "its answer", reads.AddAnswer(&keyvaluev1.GetResponse{Entry: entry(2 * mib)}, false))
}

func TestAnswersInJSONAreChargedForTheirLength(t *testing.T) {
	t.Parallel()
	l := bytesOf(8 * mib)
	account := begin(t, t.Context(), l)
	bytes := &keyvaluev1.Entry{Content: &keyvaluev1.Entry_Data{Data: make([]byte, 3*mib/4)}}
	escapes := &keyvaluev1.Entry{Content: &keyvaluev1.Entry_Value{Value: strings.Repeat("\x01", mib/4)}}
	page := &keyvaluev1.ListResponse{Entries: []*keyvaluev1.Entry{bytes, escapes}}
	if err := account.AddAnswer(page, true); err != nil {
		t.Fatal(err)
	}
	used(t, l, "of a mebibyte that takes two and a half in JSON", 7*mib/2) // entries have a few bytes more
	account.End()
	used(t, l, "when it has been sent", 0)
}

func entry(n int) *keyvaluev1.Entry {
	return &keyvaluev1.Entry{Key: "k", Content: &keyvaluev1.Entry_Value{Value: strings.Repeat("v", n)}}
}

func TestOneKeyCannotTakeAllMemory(t *testing.T) {
	t.Parallel()
	l := bytesOf(4 * mib)
	greedy := auth.NewContext(t.Context(), auth.Internal("greedy"))
	modest := auth.NewContext(t.Context(), auth.Internal("modest"))
	got := 0
	for ; got < 12 && begin(t, greedy, l).Add(256*kib+16*kib) == nil; got++ {
	}
	if got != 9 {
		t.Errorf("one key got %d of 12 quarters of a MiB, want 9", got)
	}
	if err := begin(t, modest, l).Add(256*kib + 16*kib); err != nil {
		t.Errorf("another key = %v, want memory", err)
	}
}

func TestEventsWaitForMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := bytesOf(4 * mib) // of which 1 MiB is for events
		greedy := auth.NewContext(t.Context(), auth.Internal("greedy"))
		modest := auth.NewContext(t.Context(), auth.Internal("modest"))
		stalled := begin(t, greedy, l)
		if err := stalled.Wait(t.Context(), 300*kib); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		var all sync.WaitGroup
		for _, name := range []string{"first", "second"} {
			all.Go(func() {
				a := begin(t, greedy, l)
				if a.Wait(ctx, 200*kib) == nil {
					got = append(got, name)
				}
				if name == "first" {
					a.End()
				}
			})
			synctest.Wait()
		}
		if len(got) != 0 {
			t.Errorf("%v did not wait for memory", got)
		}
		other := begin(t, modest, l)
		if err := other.Wait(t.Context(), 150*kib); err != nil {
			t.Errorf("a watch of another key = %v", err)
		}
		if err := begin(t, greedy, l).Add(mib); err != nil {
			t.Errorf("a call beside stalled watches = %v", err)
		}
		stalled.Sent(1)
		synctest.Wait()
		if want := "first second"; strings.Join(got, " ") != want {
			t.Errorf("%v got memory when the stalled watch went on, want %s", got, want)
		}
		cancel()
		all.Wait()
	})
}

func TestAWatchThatWaitsCanBeCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := bytesOf(4 * mib)
		stalled, waiting := begin(t, t.Context(), l), begin(t, t.Context(), l)
		if err := stalled.Wait(t.Context(), 500*kib); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := waiting.Wait(ctx, 500*kib); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v, want the error of its context", err)
		}
		stalled.End()
		waiting.End()
		used(t, l, "after both", 0)
	})
}

func TestSmallEventsDoNotWait(t *testing.T) {
	t.Parallel()
	l := bytesOf(4 * mib)
	stalled, small := begin(t, t.Context(), l), begin(t, t.Context(), l)
	if err := stalled.Wait(t.Context(), mib); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := small.Wait(t.Context(), kib); err != nil {
			t.Fatal(err)
		}
	}
	small.Skip()
	small.Sent(20)
	stalled.Sent(1)
	used(t, l, "after all were sent", 0)
}

func TestWhatAResponseKeepsIsPassedOn(t *testing.T) {
	t.Parallel()
	l := bytesOf(4 * mib)
	call := begin(t, t.Context(), l)
	if err := call.AddAnswer(&keyvaluev1.GetResponse{Entry: entry(mib - 1024)}, false); err != nil {
		t.Fatal(err)
	}
	release := call.PassOn(mib)
	call.End()
	used(t, l, "after the call", mib)
	release()
	used(t, l, "when the response was read", 0)

	watch := begin(t, t.Context(), l)
	if err := watch.Wait(t.Context(), 400*kib); err != nil {
		t.Fatal(err)
	}
	release = watch.PassOn(400 * kib)
	used(t, l, "with an event", 800*kib)
	watch.Sent(1)
	used(t, l, "when it is encoded", 400*kib)
	release()
	used(t, l, "when it was read", 0)
}

func TestNoMemoryIsLost(t *testing.T) {
	t.Parallel()
	l := bytesOf(8 * mib)
	principals := []*auth.Principal{auth.Internal("a"), auth.Internal("b"), nil}
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			ctx := t.Context()
			if p := principals[i%3]; p != nil {
				ctx = auth.NewContext(ctx, p)
			}
			for n := range 200 {
				a := begin(t, ctx, l)
				waiting, cancel := context.WithTimeout(ctx, time.Millisecond)
				_ = a.Wait(waiting, 600*kib)
				if i%2 == 0 && a.Add(int64(n)*16*kib) == nil {
					a.Drop(int64(n) * kib)
				}
				cancel()
				a.End()
			}
		})
	}
	all.Wait()
	used(t, l, "after all calls", 0)
}

func TestABodyIsChargedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := bytesOf(8 * mib)
		call := begin(t, t.Context(), l)
		pipe, arrive := io.Pipe()
		body := call.Body(pipe, mib, 2*mib)
		go func() { _, _ = io.ReadAll(body) }()
		synctest.Wait()
		used(t, l, "before the first byte of a declared body", 3*mib-16*kib)
		_ = arrive.Close()
		synctest.Wait()
		admission.Decoded(body)
		used(t, l, "when it is decoded", mib-16*kib)
		call.End()

		call = begin(t, t.Context(), l)
		body = call.Body(io.NopCloser(bytes.NewReader(make([]byte, mib))), -1, 2*mib)
		if _, err := io.CopyN(io.Discard, body, 100*kib); err != nil {
			t.Fatal(err)
		}
		if n := l.Budget().Used(); n < 300*kib-16*kib || n > 400*kib {
			t.Errorf("after 100 KiB of a body of unknown length, %d KiB are in use, want three times as much", n/kib)
		}
		if n, err := io.Copy(io.Discard, body); err != nil || n != mib-100*kib {
			t.Errorf("read %d more bytes: %v", n, err)
		}
		call.End()

		call, other := begin(t, t.Context(), l), begin(t, t.Context(), l)
		if err := other.Add(mib); err != nil {
			t.Fatal(err)
		}
		_, err := io.Copy(io.Discard, call.Body(io.NopCloser(bytes.NewReader(make([]byte, 4*mib))), -1, 4*mib))
		wantOverloaded(t, "a body beyond the budget", err)
		other.End()
		if _, err := io.Copy(io.Discard, call.Body(io.NopCloser(bytes.NewReader(make([]byte, 4*mib))), -1, 4*mib)); err != nil {
			t.Errorf("a body that needs more than the budget = %v, want it to be read while nothing else is", err)
		}
		call.End()

		call = begin(t, t.Context(), l)
		if n, err := io.Copy(io.Discard, call.Body(io.NopCloser(bytes.NewReader(make([]byte, 4*mib))), -1, 64*kib)); n != 4*mib || err != nil {
			t.Errorf("what is discarded was refused after %d bytes: %v", n, err)
		}
		call.End()
		used(t, l, "after all calls", 0)
	})
}

func TestABodyWithoutAKeyIsBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		length int64
		want   bool // whether it is read as a whole
	}{{100, true}, {admission.PublicBytes, true}, {mib, false}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", io.MultiReader(io.LimitReader(zeros{}, test.length)))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1
		r = admission.WithBody(r, 2*mib)
		admission.AdmitPublic(r.Context())
		n, err := io.Copy(io.Discard, r.Body)
		if whole := err == nil && n == test.length; whole != test.want {
			t.Errorf("of a body of %d bytes, %d were read: %v", test.length, n, err)
		}
		if err != nil && (connect.CodeOf(err) != connect.CodeResourceExhausted || contract.ReasonOf(err) != contract.ValueTooLarge) {
			t.Errorf("the error is %v, want VALUE_TOO_LARGE", err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestWithoutABudgetNothingIsCharged(t *testing.T) {
	t.Parallel()
	ctx, account, err := admission.NewChecks(nil, admission.New(admission.Config{})).Admit(t.Context(), admission.Request{})
	if err != nil || account != nil || admission.AccountOf(ctx) != nil {
		t.Fatalf("Admit = %v, %v", account, err)
	}
	body := io.NopCloser(strings.NewReader("a"))
	if err := errors.Join(account.Add(mib), account.Reserve(mib), account.Expect(&keyvaluev1.SetRequest{}),
		account.AddAnswer(&keyvaluev1.GetResponse{Entry: entry(mib)}, false)); err != nil || account.Body(body, -1, 1) != body {
		t.Error(err)
	}
	account.Drop(1)
	account.Skip()
	account.Sent(1)
	account.MustAnswer()
	account.End()
}
