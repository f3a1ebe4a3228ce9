package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/client"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

func TestWhichErrorsEndAWatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		why  error
		want error // what the watch ends with; nil: it resumes
	}{
		{contract.ServiceUnavailable.Errorf("x"), nil},
		{contract.Overloaded.Errorf("x"), nil},
		{contract.RateLimited.Errorf("x"), nil},
		{contract.DeadlineExceeded.Errorf("x"), nil},
		{connect.NewError(connect.CodeUnavailable, "x"), nil},
		{connect.NewError(connect.CodeCanceled, "x"), nil},
		{contract.RequestInvalid.Errorf("x"), client.ErrInvalid},
		{contract.KeyInvalid.Errorf("x"), client.ErrInvalid},
		{contract.APIKeyInvalid.Errorf("x"), client.ErrUnauthenticated},
		{contract.PermissionDenied.Errorf("x"), client.ErrPermissionDenied},
		{contract.ResumeTooOld.Errorf("x"), client.ErrResumeTooOld},
		{connect.NewError(connect.CodeUnauthenticated, "x"), client.ErrUnauthenticated},
		{connect.NewError(connect.CodeInvalidArgument, "x"), client.ErrInvalid},
	} {
		t.Run(test.why.Error()+string(contract.ReasonOf(test.why)), func(t *testing.T) {
			kv, _ := script(t, part{messages(synced("1")), test.why}, part{messages(put("a", "2")), nil})
			r := watch(t, kv.Watch(bounded(t), ""))
			r.want(t, "sync")
			if test.want == nil {
				r.want(t, "put a=")
				return
			}
			r.wantError(t, test.want)
		})
	}
}

// badly answers a watch with body, and resets the stream if cut is set.
func badly(status int, body string, cut bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/connect+proto")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		if cut {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
}

func TestHowAStreamCanBreak(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    connect.Code // what the watch ends with; 0: it resumes
	}{
		{"ends between messages", badly(200, "", false), 0},
		{"cut between messages", badly(200, "", true), 0},
		{"ends within the prefix of a message", badly(200, "\x00\x00\x00", false), 0},
		{"cut within the prefix of a message", badly(200, "\x00\x00\x00", true), 0},
		{"ends within a message", badly(200, "\x00\x00\x00\x00\x09abc", false), 0},
		{"cut within a message", badly(200, "\x00\x00\x00\x00\x09abc", true), 0},
		{"malformed message", badly(200, "\x00\x00\x00\x00\x02\xff\xff", false), 0},
		{"ends without an error", badly(200, "\x02\x00\x00\x00\x02{}", false), 0},
		{"proxy: no service", badly(503, "", false), 0},
		{"proxy: timeout", badly(504, "", false), 0},
		{"proxy: not authenticated", badly(401, "", false), connect.CodeUnauthenticated},
		{"proxy: forbidden", badly(403, "", false), connect.CodePermissionDenied},
		{"not found", badly(404, "", false), connect.CodeUnimplemented},
	} {
		t.Run(test.name, func(t *testing.T) {
			var once sync.Once
			good := handle(kvservice.New(newEngine(t), kvservice.Config{}), nil)
			kv := dial(t, wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler := http.Handler(good)
				once.Do(func() { handler = test.handler })
				handler.ServeHTTP(w, r)
			})))
			r := watch(t, kv.Watch(bounded(t), ""))
			if test.want == 0 {
				r.want(t, "sync")
				return
			}
			err := r.end(t)
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != test.want {
				t.Errorf("the watch ended with %v, want code %v", err, test.want)
			}
		})
	}
}

// roundTripper is an HTTP transport without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestAWatchBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		kv := dial(t, "http://service", client.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				attempts = append(attempts, time.Now())
				return nil, errors.New("connection refused")
			}),
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start, cuts := time.Now(), 0
		r := watch(t, kv.Watch(ctx, "", client.OnCut(func(err error) {
			cuts++
			wantError(t, "the cut", err, client.ErrUnavailable)
		})))
		r.wantError(t, context.DeadlineExceeded)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the watch ended after %v, want exactly the time of its context", took)
		}
		if cuts != len(attempts) {
			t.Errorf("%d attempts and %d cuts, want the same number", len(attempts), cuts)
		}
		wantBackoff(t, attempts)
	})
}

// wantBackoff checks the waits between attempts: their bounds double from 50 ms to 2 s, and each is random between half
// of its bound and all of it.
func wantBackoff(t *testing.T, attempts []time.Time) {
	t.Helper()
	longest, distinct := 50*time.Millisecond, map[time.Duration]bool{}
	for i := 1; i < len(attempts); i++ {
		wait := attempts[i].Sub(attempts[i-1])
		if wait < longest/2 || wait > longest {
			t.Errorf("wait %d was %v, want %v to %v", i, wait, longest/2, longest)
		}
		longest = min(2*longest, 2*time.Second)
		distinct[wait] = true
	}
	if len(attempts) < 30 || len(distinct) < len(attempts)-5 {
		t.Errorf("%d attempts, %d different waits; want many, and different waits", len(attempts), len(distinct))
	}
}

func TestAWatchStopsWaitingWhenItIsCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := dial(t, "http://service", client.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return nil, errors.New("connection refused")
			}),
		}))
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(30*time.Second+time.Nanosecond, cancel)
		watch(t, kv.Watch(ctx, "")).wantError(t, context.Canceled)
		if took := time.Since(start); took != 30*time.Second+time.Nanosecond {
			t.Errorf("the watch ended after %v, want the time at which it was canceled", took)
		}
	})
}
