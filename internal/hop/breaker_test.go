package hop_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/contract"
	"key-value/kvservice"
)

// hanging is an HTTP transport to a service that can be made to hang.
type hanging struct {
	handler http.Handler
	hangs   atomic.Bool
	sent    atomic.Int64
	takes   time.Duration // how long a call takes while it does not hang
}

func (h *hanging) RoundTrip(req *http.Request) (*http.Response, error) {
	h.sent.Add(1)
	if h.hangs.Load() {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	time.Sleep(h.takes)
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, req)
	return recorder.Result(), nil
}

// hangingClient returns a client of a service that does not hang yet.
func hangingClient(t *testing.T) (client, *hanging) {
	h := &hanging{handler: handle(kvservice.New(newEngine(t), kvservice.Config{}))}
	return over(t, h, forwarding), h
}

// call makes a write with a deadline of ten seconds and returns how long it took.
func call(t *testing.T, kv client) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	start := time.Now()
	_, err := kv.Set(ctx, setRequest("k", "v"))
	return time.Since(start), err
}

func TestCallsFailAtOnceWhileTheServiceIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv, h := hangingClient(t)
		h.hangs.Store(true)
		var waiting sync.WaitGroup
		defer waiting.Wait()
		wait := func() {
			waiting.Go(func() {
				if took, err := call(t, kv); took != 10*time.Second || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a call that was sent ended after %v with %v, want its deadline", took, err)
				}
			})
		}
		wait()
		time.Sleep(2900 * time.Millisecond)
		wait() // sent: the service has not been silent for long enough
		time.Sleep(200 * time.Millisecond)
		wait() // sent: the first call to suspect the service
		time.Sleep(200 * time.Millisecond)
		wait() // sent: the probe
		synctest.Wait()
		before := h.sent.Load()
		took, err := call(t, kv)
		if took > time.Second || contract.ReasonOf(err) != contract.ServiceUnavailable {
			t.Errorf("a call to a silent service ended after %v with %v, want UNAVAILABLE at once", took, err)
		}
		if sent := h.sent.Load() - before; sent > 0 {
			t.Errorf("it was sent %d times", sent)
		}
	})
}

// besideASlowCall runs test while one call is pending that gets no answer. Other calls get theirs after takes.
func besideASlowCall(t *testing.T, takes time.Duration, test func(t *testing.T, kv client)) {
	synctest.Test(t, func(t *testing.T) {
		kv, h := hangingClient(t)
		h.takes = takes
		var waiting sync.WaitGroup
		defer waiting.Wait()
		h.hangs.Store(true)
		waiting.Go(func() { _, _ = call(t, kv) })
		synctest.Wait()
		h.hangs.Store(false)
		test(t, kv)
	})
}

func TestTheFirstAnswerLetsAllCallsThrough(t *testing.T) {
	t.Parallel()
	besideASlowCall(t, 0, func(t *testing.T, kv client) {
		time.Sleep(5 * time.Second)
		for range 10 {
			if took, err := call(t, kv); took > 0 || err != nil {
				t.Errorf("after the service recovered, a call ended after %v with %v", took, err)
			}
		}
	})
}

func TestASlowCallIsNotSilence(t *testing.T) {
	t.Parallel()
	besideASlowCall(t, 0, func(t *testing.T, kv client) {
		for range 9 {
			if _, err := call(t, kv); err != nil {
				t.Errorf("beside a slow call, another failed: %v", err)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestConcurrentCallsBesideASlowOneAreNotSilence(t *testing.T) {
	t.Parallel()
	besideASlowCall(t, 50*time.Millisecond, func(t *testing.T, kv client) {
		time.Sleep(5 * time.Second)
		var together sync.WaitGroup
		defer together.Wait()
		for range 10 {
			together.Go(func() {
				if _, err := call(t, kv); err != nil {
					t.Errorf("beside a slow call, one of ten concurrent calls failed: %v", err)
				}
			})
		}
	})
}
