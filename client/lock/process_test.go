package lock_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/lock"
	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/wiretest"
)

// holderVariable makes the program of this test a holder of the lock in the store at its URL.
const holderVariable, resourceVariable = "LOCK_TEST_HOLDER", "LOCK_TEST_RESOURCE"

// holderProgram takes the lock and writes to the resource with its fence, until the resource refuses it.
func holderProgram(url string) int {
	kv, err := client.New(url)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l, err := lock.New(kv, "door", lock.TTL(time.Second))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	held, err := l.Lock(context.Background())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held", held.Fence())
	for {
		res, err := http.Post(os.Getenv(resourceVariable), "text/plain", bytes.NewBufferString(fmt.Sprint(held.Fence())))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println("refused")
	<-held.Context().Done()
	fmt.Println("cause:", context.Cause(held.Context()))
	fmt.Println("lost:", errors.Is(held.Unlock(), lock.ErrLost))
	return 0
}

// resource accepts writes with the greatest fence that it has seen.
type resource struct {
	mu       sync.Mutex
	greatest uint64   // guarded by mu
	accepted []uint64 // guarded by mu
}

func (r *resource) write(fence uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fence < r.greatest {
		return false
	}
	r.greatest = fence
	r.accepted = append(r.accepted, fence)
	return true
}

func (r *resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var fence uint64
	if _, err := fmt.Fscan(req.Body, &fence); err != nil || !r.write(fence) {
		w.WriteHeader(http.StatusConflict)
	}
}

// startHolder starts a holder in a process of its own, and returns its fence once it holds the lock.
func startHolder(t *testing.T, url, resourceURL string) (*proc.Process, uint64) {
	t.Helper()
	p, err := proc.Command{
		Path: os.Args[0], Args: []string{"-test.run=^$"}, Env: []string{holderVariable + "=" + url, resourceVariable + "=" + resourceURL},
	}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	match, err := p.WaitFor(bounded(t), p.Out, `held (\d+)\n`)
	if err != nil {
		t.Fatal(err)
	}
	fence, err := strconv.ParseUint(match, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return p, fence
}

// A holder that was stopped for longer than its TTL goes on where it was. It does not know yet that it lost the lock, but the
// resource does.
func TestTheResourceRefusesAHolderThatWasStopped(t *testing.T) {
	t.Parallel()
	url, r := wiretest.Serve(t, handle(newEngine(t))), &resource{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	stopped, first := startHolder(t, url, server.URL)
	if err := stopped.Pause(); err != nil {
		t.Fatal(err)
	}
	kv := dial(t, url)
	held := mustLock(t, newLock(t, kv))
	if !r.write(held.Fence()) || held.Fence() <= first {
		t.Fatalf("the resource refuses the fence %d after %d", held.Fence(), first)
	}
	if err := stopped.Continue(); err != nil {
		t.Fatal(err)
	}
	if _, err := stopped.WaitFor(bounded(t), stopped.Out, `refused\ncause: the lock was lost: .*\nlost: (true)\n`); err != nil {
		t.Error(err)
	}
	if err := held.Context().Err(); err != nil {
		t.Errorf("the context of the second holder ended with %v", err)
	}
	mustUnlock(t, held)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, fence := range r.accepted[1:] {
		if fence < r.accepted[i] {
			t.Errorf("the resource accepted %d after %d", fence, r.accepted[i])
		}
	}
}

// The lock of a process that is killed goes to the next caller when its TTL has passed.
func TestTheLockOfADeadHolderIsHandedOver(t *testing.T) {
	t.Parallel()
	url := wiretest.Serve(t, handle(newEngine(t)))
	server := httptest.NewServer(&resource{})
	t.Cleanup(server.Close)
	dead, first := startHolder(t, url, server.URL)
	kv := dial(t, url)
	l := newLock(t, kv)
	next := waitFor(t, t.Context(), l, kv, 2)
	if err := dead.Kill(); err != nil {
		t.Fatal(err)
	}
	held := next.get(t)
	if held.Fence() <= first {
		t.Errorf("the fence %d follows %d", held.Fence(), first)
	}
	mustUnlock(t, held)
}
