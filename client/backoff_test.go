package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"key-value/client"
)

// roundTripper is an HTTP transport without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestAWatchComesBackMoreAndMoreRarely(t *testing.T) {
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
			t.Errorf("the watch ended after %v, want the very instant its context was done", took)
		}
		if cuts != len(attempts) {
			t.Errorf("%d attempts and %d cuts, want as many", len(attempts), cuts)
		}
		wantBackoff(t, attempts)
	})
}

// wantBackoff checks that the waits between attempts double from 50 ms to 2 s, less up to half of it at random.
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
		t.Errorf("%d attempts, %d different waits; want them to go on and to vary", len(attempts), len(distinct))
	}
}

func TestAWatchStopsWaitingWhenItIsCanceled(t *testing.T) {
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
			t.Errorf("the watch ended after %v, want the instant it was canceled", took)
		}
	})
}
