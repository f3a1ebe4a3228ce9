package hop_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

// reading are the names of the calls that change nothing.
var reading = []string{"Get", "List", "Stats", "Batch of gets"}

// flaky serves a store whose first calls are answered by failures instead, one each.
func flaky(t *testing.T, failures ...http.HandlerFunc) (url string, requests *atomic.Int64) {
	requests = new(atomic.Int64)
	good := handle(kvservice.New(newEngine(t), kvservice.Config{}))
	return wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := int(requests.Add(1)); n <= len(failures) {
			failures[n-1](w, r)
			return
		}
		good.ServeHTTP(w, r)
	})), requests
}

func TestWhatIsRetried(t *testing.T) {
	t.Parallel()
	var (
		unavailable = failWith(contract.ServiceUnavailable.Errorf("x"))
		overloaded  = failWith(contract.Overloaded.Errorf("x"))
		everything  = []string{"Batch of gets", "Batch with a set", "Delete", "Get", "Increment", "List", "Set", "Stats"}
	)
	for _, test := range []struct {
		name    string
		failure http.HandlerFunc
		retried []string // names of calls
	}{
		{"a service that says it is unavailable", unavailable, reading},
		{"a service that rejected the call without carrying it out", overloaded, everything},
		{"an answer that is cut off", breakOff, reading},
		{"a proxy without a service", badGateway, reading},
		{"a rate limit, which more calls would exceed again", failWith(contract.RateLimited.Errorf("x")), nil},
		{"a service that was too slow", failWith(contract.DeadlineExceeded.Errorf("x")), nil},
		{"a full store", failWith(contract.StoreFull.Errorf("x")), nil},
		{"a wrong API key", failWith(contract.APIKeyInvalid.Errorf("x")), nil},
		{"an internal error of the service", failWith(connect.NewError(connect.CodeInternal, "x")), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, call := range calls {
				url, requests := flaky(t, test.failure, test.failure)
				err := call(bounded(t), dial(t, url, library))
				if want := slices.Contains(test.retried, name); (err == nil) != want || (requests.Load() == 3) != want {
					t.Errorf("%s took %d requests and ended with %v; want it retried until it succeeds: %v",
						name, requests.Load(), err, want)
				}
			}
		})
	}
}

func TestACallIsSentAtMostFourTimes(t *testing.T) {
	t.Parallel()
	url, requests := flaky(t, slices.Repeat([]http.HandlerFunc{badGateway}, 100)...)
	_, err := dial(t, url, library).Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
	wantReason(t, "Get", err, contract.ServiceUnavailable)
	if n := requests.Load(); n != 4 {
		t.Errorf("Get was sent %d times, want 4", n)
	}
}

// The service starts while it is called. All calls that could not be sent are sent then, including writes.
func TestCallsThatCouldNotBeSentAreRetried(t *testing.T) {
	t.Parallel()
	for name, call := range calls {
		url, requests := flaky(t)
		dialer, dials := net.Dialer{}, 0
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{
			Protocols: protocols,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if dials++; dials < 3 {
					addr = closedPort(t)
				}
				return dialer.DialContext(ctx, network, addr)
			},
		}
		defer transport.CloseIdleConnections()
		err := call(bounded(t), target(t, url, transport))
		if err != nil || dials != 3 || requests.Load() != 1 {
			t.Errorf("%s = %v after %d attempts to connect and %d requests; want success after 3 and 1",
				name, err, dials, requests.Load())
		}
	}
}

func TestOnlyTheReadsOfALostBatchAreRetried(t *testing.T) {
	t.Parallel()
	engine := newEngine(t)
	service := &losing{KeyValueServiceHandler: kvservice.New(engine, kvservice.Config{})}
	kv := dial(t, serve(t, service), library)
	const n = 200
	errs := make(chan error, 2*n)
	for range n {
		go func() { errs <- calls["Increment"](bounded(t), kv) }()
		go func() { errs <- calls["Get"](bounded(t), kv) }()
	}
	failed := int64(0)
	for range 2 * n {
		if err := <-errs; err != nil {
			wantReason(t, "a call", err, contract.ServiceUnavailable)
			failed++
		}
	}
	if lost := service.writes.Load(); lost == 0 || failed != lost {
		t.Errorf("%d calls failed, want exactly the %d writes that got no answer", failed, lost)
	}
	wantCount(t, kv, "200") // every Increment was applied exactly once
}

// losing carries out all calls, but loses the answers to its first three batches.
type losing struct {
	keyvaluev1connect.KeyValueServiceHandler
	batches, writes atomic.Int64
}

func (l *losing) Batch(ctx context.Context, req *keyvaluev1.BatchRequest) (*keyvaluev1.BatchResponse, error) {
	res, err := l.KeyValueServiceHandler.Batch(ctx, req)
	if l.batches.Add(1) > 3 {
		return res, err
	}
	for _, op := range req.GetOperations() {
		if op.GetGet() == nil {
			l.writes.Add(1)
		}
	}
	return nil, connect.NewError(connect.CodeUnavailable, "lost")
}

// refused returns a client that cannot open a connection, and records each attempt.
func refused(t *testing.T, attempts *[]time.Time) client {
	return over(t, roundTripper(func(*http.Request) (*http.Response, error) {
		*attempts = append(*attempts, time.Now())
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}), library)
}

func TestRetriesBackOffWithinTheDeadline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		timeout  time.Duration
		attempts int
	}{{time.Second, 4}, {175 * time.Millisecond, 3}, {50 * time.Millisecond, 2}, {25 * time.Millisecond, 1}} {
		synctest.Test(t, func(t *testing.T) {
			var attempts []time.Time
			kv := refused(t, &attempts)
			ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
			defer cancel()
			_, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: "a"})
			wantReason(t, "Get", err, contract.ServiceUnavailable)
			if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
				t.Errorf("Get = %v, want the cause of the failure, before the deadline", err)
			}
			for i, wait := 1, 50*time.Millisecond; i < len(attempts); i, wait = i+1, 2*wait {
				if got := attempts[i].Sub(attempts[i-1]); got < wait/2 || got > wait {
					t.Errorf("wait %d was %v, want %v to %v", i, got, wait/2, wait)
				}
			}
			if len(attempts) > test.attempts || len(attempts) < test.attempts-1 {
				t.Errorf("%d attempts in %v, want %d or one fewer", len(attempts), test.timeout, test.attempts)
			}
		})
	}
}

func TestACanceledCallIsNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		start := time.Now()
		_, err := refused(t, &attempts).Get(ctx, &keyvaluev1.GetRequest{Key: "a"})
		if len(attempts) != 1 || time.Since(start) != 20*time.Millisecond || !errors.Is(err, context.Canceled) {
			t.Errorf("Get = %v after %d attempts and %v, want it to end when it is canceled", err, len(attempts), time.Since(start))
		}
	})
}

func TestRetriesAreATenthOfAnsweredCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests, failures int
		up := false
		kv := over(t, roundTripper(func(*http.Request) (*http.Response, error) {
			if requests++; !up {
				failures++
				return nil, errors.New("reset")
			}
			return &http.Response{
				StatusCode: http.StatusOK, Body: http.NoBody, ProtoMajor: 2,
				Header: http.Header{"Content-Type": {"application/proto"}},
			}, nil
		}), library)
		get := func(n int) (retries int) {
			requests = 0
			for range n {
				_, _ = kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
			}
			return requests - n
		}
		if retries := get(1000); retries < 300 || retries > 500 {
			t.Errorf("1,000 reads of a dead service were retried %d times, want 300 to 500", retries)
		}
		if retries := get(1000); retries != 0 {
			t.Errorf("the next 1,000 were retried %d times, want none", retries)
		}
		up = true
		get(5000) // refills the budget
		for range 10 {
			up = true
			get(100)
			up = false
			if retries := get(20); retries > 10 {
				t.Errorf("after 100 answers, 20 reads were retried %d times, want at most 10", retries)
			}
		}
	})
}

// target returns a client of the service at url whose connections are opened by transport.
func target(t *testing.T, url string, transport http.RoundTripper) client {
	t.Helper()
	service, err := hop.HTTP(url, hop.HTTPConfig{Client: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return hop.NewClient(service, library)
}
