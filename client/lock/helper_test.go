package lock_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"key-value/client"
	"key-value/client/lock"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// patience is how long a test that goes wrong waits.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if url := os.Getenv(holderVariable); url != "" {
		os.Exit(holderProgram(url))
	}
	code := m.Run()
	if err := leaks(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// leaks reports goroutines that never end. Those of a client of etcd end a little after it is closed.
func leaks() error {
	for end := time.Now().Add(patience); ; {
		if err := goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// bounded returns a context that ends even if a test goes wrong.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newEngine(t testing.TB) store.Engine {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func handle(engine store.Engine) http.Handler {
	server := rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Checks: admission.NewChecks(nil, nil), Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	return rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler())
}

func dial(t testing.TB, url string, opts ...client.Option) *client.Client {
	t.Helper()
	kv, err := client.New(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kv.Close)
	return kv
}

// start returns a client of a new, empty service.
func start(t testing.TB) *client.Client { return dial(t, wiretest.Serve(t, handle(newEngine(t)))) }

// cable is the HTTP client of one program in a bubble. While it is cut, no call gets an answer.
type cable struct {
	http.RoundTripper
	cut context.Context
}

func (c *cable) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-c.cut.Done():
		<-req.Context().Done()
		return nil, req.Context().Err()
	default:
		return c.RoundTripper.RoundTrip(req)
	}
}

// inBubble runs test where time is not real, with a function that connects another program to one service. The programs can be
// cut off from it, one by one.
func inBubble(t *testing.T, test func(t *testing.T, connect func() (kv *client.Client, cut func()))) {
	inBubbleWith(t, memory.Options{}, test)
}

func inBubbleWith(t *testing.T, options memory.Options, test func(t *testing.T, connect func() (kv *client.Client, cut func()))) {
	synctest.Test(t, func(t *testing.T) {
		engine := memory.New(options)
		t.Cleanup(func() { _ = engine.Close() })
		handler := handle(engine)
		test(t, func() (*client.Client, func()) {
			c := wiretest.ServeHTTP2InBubble(t, handler)
			ctx, cut := context.WithCancel(t.Context())
			c.Transport = &cable{c.Transport, ctx}
			return dial(t, "http://store.example", client.WithHTTPClient(c)), cut
		})
	})
}

func newLock(t testing.TB, kv *client.Client, opts ...lock.Option) *lock.Lock {
	t.Helper()
	l, err := lock.New(kv, "door", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustLock(t testing.TB, l *lock.Lock) *lock.Held {
	t.Helper()
	held, err := l.Lock(t.Context())
	if err != nil {
		t.Fatalf("Lock = %v", err)
	}
	return held
}

func mustUnlock(t testing.TB, held *lock.Held) {
	t.Helper()
	if err := held.Unlock(); err != nil {
		t.Errorf("Unlock = %v", err)
	}
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want an error that is %q", what, err, want)
	}
}

// attempt is a call of Lock that is under way.
type attempt struct {
	held chan *lock.Held // has the lock once it is held; closed if the call fails
	err  error           // once held is closed
}

// waitFor starts a call of Lock, and waits until n callers are in the queue.
func waitFor(t testing.TB, ctx context.Context, l *lock.Lock, kv *client.Client, n int) *attempt {
	t.Helper()
	a := &attempt{held: make(chan *lock.Held, 1)}
	go func() {
		held, err := l.Lock(ctx)
		if err != nil {
			a.err = err
			close(a.held)
			return
		}
		a.held <- held
	}()
	waitQueue(t, kv, n)
	return a
}

// waitQueue waits until n callers hold the lock or wait for it.
func waitQueue(t testing.TB, kv *client.Client, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	keys := map[string]bool{}
	for event, err := range kv.Watch(ctx, "locks/{door}/", client.FromSnapshot()) {
		if err != nil {
			t.Fatal(err)
		}
		switch event.Type {
		case client.EventPut:
			keys[event.Entry.Key] = true
		case client.EventDelete, client.EventExpire:
			delete(keys, event.Entry.Key)
		}
		if event.ResumeToken != "" && len(keys) == n {
			return
		}
	}
}

// get returns the lock, once it is held.
func (a *attempt) get(t testing.TB) *lock.Held {
	t.Helper()
	select {
	case held, ok := <-a.held:
		if !ok {
			t.Fatalf("Lock = %v", a.err)
		}
		return held
	case <-bounded(t).Done():
		t.Fatal("the lock was not handed over")
	}
	return nil
}

// fail returns the error of a call that fails.
func (a *attempt) fail(t testing.TB) error {
	t.Helper()
	if held, ok := <-a.held; ok {
		t.Fatalf("Lock = %v, want an error", held)
	}
	return a.err
}

// waits fails the test if the call has returned.
func (a *attempt) waits(t testing.TB) {
	t.Helper()
	select {
	case held, ok := <-a.held:
		t.Fatalf("Lock returned %v (%t), want it to wait", held, ok)
	default:
	}
}
