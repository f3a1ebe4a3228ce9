package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/client"
	"key-value/internal/contract"
	"key-value/internal/server"
	"key-value/internal/testkit/cutproxy"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

func TestAWatchOutlivesAServiceThatStopsAndComesBack(t *testing.T) {
	t.Parallel()
	engine := newEngine(t)
	first, stop := runService(t, engine)
	p := cutproxy.New(t, first, cutproxy.Unlimited)
	var cuts atomic.Pointer[client.Error] // the first cut
	r := watch(t, dial(t, p.URL).Watch(bounded(t), "", client.OnCut(func(err error) {
		cuts.CompareAndSwap(nil, err.(*client.Error))
	})))
	r.want(t, "sync")
	set(t, engine, "a", "before")
	r.want(t, "put a=before")
	stop() // waits for the drain, which ends the watch
	set(t, engine, "a", "meanwhile")
	second, _ := runService(t, engine)
	p.Point(second)
	r.want(t, "put a=meanwhile", "sync")
	set(t, engine, "a", "after")
	r.want(t, "put a=after")
	if cut := cuts.Load(); cut == nil || cut.Reason != string(contract.ServiceUnavailable) {
		t.Errorf("the watch was first cut by %v, want SERVICE_UNAVAILABLE from the stopping service", cut)
	}
}

func TestARestartWithoutHistoryIsReported(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]client.WatchOption{"ends": nil, "starts over": {client.StartOver()}} {
		t.Run(name, func(t *testing.T) {
			before, after := newEngine(t), newEngine(t)
			set(t, before, "a", "1")
			set(t, before, "b", "1")
			set(t, after, "b", "2")
			p := cutproxy.New(t, serveEngine(t, before), cutproxy.Unlimited)
			r := watch(t, dial(t, p.URL).Watch(bounded(t), "", append(opts, client.FromSnapshot())...))
			r.want(t, "put a=1", "put b=1", "sync")
			p.Point(serveEngine(t, after))
			if len(opts) == 0 {
				r.wantError(t, client.ErrResumeTooOld)
				return
			}
			r.want(t, "reset", "put b=2", "sync")
			set(t, after, "b", "3")
			r.want(t, "put b=3")
		})
	}
}

func TestAReaderThatIsTooSlowGetsAnError(t *testing.T) {
	t.Parallel()
	engine := memory.New(memory.Options{HistoryBytes: 10_000})
	t.Cleanup(func() { _ = engine.Close() })
	r := watch(t, dial(t, serveEngine(t, engine)).Watch(bounded(t), ""))
	r.want(t, "sync")
	large := string(make([]byte, 1<<20))
	for i := range 100 { // more than the buffers of the connection hold
		set(t, engine, fmt.Sprint(i), large)
	}
	for i := 0; ; i++ {
		event, err, _ := r.next()
		if err != nil {
			wantError(t, "the watch", err, client.ErrResumeTooOld)
			return
		}
		if event.Entry.Key != fmt.Sprint(i) {
			t.Fatalf("event %d is of key %s: a gap", i, event.Entry.Key)
		}
	}
}

// set writes directly to an engine.
func set(t *testing.T, engine store.Engine, key, value string) {
	t.Helper()
	_, err := engine.Do(t.Context(), store.Operation{Kind: store.Set, Key: key, Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
}

// runService serves engine as kv kvservice does. Stop waits for a clean shutdown.
func runService(t *testing.T, engine store.Engine) (url string, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	state, started, done := server.NewState(), make(chan string, 1), make(chan error, 1)
	service := kvservice.New(engine, kvservice.Config{Stopping: state.Stopping()})
	go func() {
		done <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", Handler: handle(service, nil), State: state, Drain: patience,
			Started: func(addr string) { started <- addr }, Log: slog.New(slog.DiscardHandler),
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the service stopped with %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case addr := <-started:
		return "http://" + addr, stop
	case <-time.After(patience):
		t.Fatal("the service did not start")
		return "", stop
	}
}
