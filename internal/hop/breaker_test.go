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

// hanging is a way to a service that can be made to answer nothing.
type hanging struct {
	handler http.Handler
	hangs   atomic.Bool
	sent    atomic.Int64
	takes   time.Duration // for a call while it does not hang
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

// call writes within ten seconds, and returns how long it took.
func call(t *testing.T, kv client) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	start := time.Now()
	_, err := kv.Set(ctx, setRequest("k", "v"))
	return time.Since(start), err
}

func TestCallsFailAtOnceWhileTheServiceAnswersNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, h := hangingClient(t)
		h.hangs.Store(true)
		var waiting sync.WaitGroup
		defer waiting.Wait()
		wait := func() {
			waiting.Go(func() {
				if took, err := call(t, kv); took != 10*time.Second || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a call that was let through ended after %v with %v, want its deadline", took, err)
				}
			})
		}
		wait()
		time.Sleep(2900 * time.Millisecond)
		wait() // it is not silent for long enough yet
		time.Sleep(200 * time.Millisecond)
		wait() // it finds out whether the service answers at all
		time.Sleep(200 * time.Millisecond)
		wait() // it finds out whether the service answers again
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

// besideALongCall runs a test while one call waits that is never answered. The next ones are, after takes.
func besideALongCall(t *testing.T, takes time.Duration, test func(t *testing.T, kv client)) {
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
	besideALongCall(t, 0, func(t *testing.T, kv client) {
		time.Sleep(5 * time.Second)
		for range 10 {
			if took, err := call(t, kv); took > 0 || err != nil {
				t.Errorf("a call when the service answers again ended after %v with %v", took, err)
			}
		}
	})
}

func TestCallsThatTakeLongAreNoSilence(t *testing.T) {
	besideALongCall(t, 0, func(t *testing.T, kv client) {
		for range 9 {
			if _, err := call(t, kv); err != nil {
				t.Errorf("beside a call that takes long, another failed: %v", err)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestCallsThatComeTogetherBesideALongOneAreNoSilence(t *testing.T) {
	besideALongCall(t, 50*time.Millisecond, func(t *testing.T, kv client) {
		time.Sleep(5 * time.Second)
		var together sync.WaitGroup
		defer together.Wait()
		for range 10 {
			together.Go(func() {
				if _, err := call(t, kv); err != nil {
					t.Errorf("beside a call that takes long, one of ten that came together failed: %v", err)
				}
			})
		}
	})
}
