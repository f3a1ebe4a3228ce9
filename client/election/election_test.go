package election_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"key-value/client"
	"key-value/client/election"
	"key-value/client/lock"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns a client of an empty store.
func connect() (kv *client.Client, stop func()) {
	engine := memory.New(memory.Options{})
	service := rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Checks: admission.NewChecks(nil, nil), Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	server := httptest.NewUnstartedServer(rpc.Mount(service, contract.DefaultValueBytes, http.NotFoundHandler()))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	kv, err := client.New(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	return kv, func() {
		kv.Close()
		server.Close()
		_ = engine.Close()
	}
}

func start(t *testing.T) *client.Client {
	kv, stop := connect()
	t.Cleanup(stop)
	return kv
}

// Candidates lead one after the other, and an observer hears of all of them who stay for a while.
func TestCandidatesLeadOneAfterTheOther(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	kv := start(t)
	e, err := election.New(kv, "scheduler")
	if err != nil {
		t.Fatal(err)
	}
	if leader, ok, err := e.Leader(ctx); ok || err != nil {
		t.Errorf("Leader before any campaign = %v, %t, %v", leader, ok, err)
	}
	leaders := make(chan election.Leader, 10)
	observing, stop := context.WithCancel(ctx)
	observed := make(chan error, 1)
	go func() {
		for leader, err := range e.Observe(observing) {
			if err != nil {
				observed <- err
				return
			}
			leaders <- leader
		}
	}()
	if leader := <-leaders; leader != (election.Leader{}) {
		t.Errorf("Observe yields %v, want nobody", leader)
	}
	var last uint64
	for i := range 3 {
		value := fmt.Sprint("10.0.0.", i)
		term, err := e.Campaign(ctx, value)
		if err != nil {
			t.Fatal(err)
		}
		if leader := <-leaders; leader.Value != value || leader.Fence != term.Fence() || leader.Fence <= last {
			t.Errorf("Observe yields %v after %d, want %s with %d", leader, last, value, term.Fence())
		}
		if leader, ok, err := e.Leader(ctx); leader.Value != value || !ok || err != nil {
			t.Errorf("Leader = %v, %t, %v; want %s", leader, ok, err, value)
		}
		last = term.Fence()
		if err := term.Resign(); err != nil {
			t.Errorf("Resign = %v", err)
		}
		if !errors.Is(context.Cause(term.Context()), lock.ErrUnlocked) {
			t.Errorf("after Resign, the cause is %v", context.Cause(term.Context()))
		}
		if leader := <-leaders; leader != (election.Leader{}) {
			t.Errorf("after Resign, Observe yields %v, want nobody", leader)
		}
	}
	stop()
	if err := <-observed; !errors.Is(err, context.Canceled) {
		t.Errorf("Observe ended with %v", err)
	}
}

// Elections and locks of the same name have nothing to do with each other.
func TestAnElectionIsNoLock(t *testing.T) {
	t.Parallel()
	kv := start(t)
	l, err := lock.New(kv, "a")
	if err != nil {
		t.Fatal(err)
	}
	held, err := l.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Unlock()
	e, err := election.New(kv, "a")
	if err != nil {
		t.Fatal(err)
	}
	term, err := e.Campaign(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer term.Resign()
	other, err := election.New(kv, "a", lock.Prefix("team/"))
	if err != nil {
		t.Fatal(err)
	}
	if leader, ok, err := other.Leader(t.Context()); ok || err != nil {
		t.Errorf("the leader below another prefix = %v, %t, %v", leader, ok, err)
	}
	if _, err := election.New(kv, "", lock.TTL(time.Minute)); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("New without a name = %v, want ErrInvalid", err)
	}
}

func Example() {
	kv, stop := connect()
	defer stop()
	ctx := context.Background()
	e, err := election.New(kv, "scheduler", lock.TTL(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}

	term, err := e.Campaign(ctx, "10.0.0.7:9000") // waits until this program leads
	if err != nil {
		log.Fatal(err)
	}
	leader, ok, err := e.Leader(ctx) // what other programs ask
	fmt.Println(leader.Value, ok, err)

	fmt.Println(term.Context().Err()) // work with this context: it ends when the leadership may be lost
	fmt.Println(term.Resign())
	// Output:
	// 10.0.0.7:9000 true <nil>
	// <nil>
	// <nil>
}
