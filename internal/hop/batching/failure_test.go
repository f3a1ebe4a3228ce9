package batching_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/hop/batching"
	"key-value/internal/testkit/wiretest"
)

func TestACallerWhoLeavesTouchesNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, kv client) {
		ctx, cancel := context.WithCancel(t.Context())
		release, done := behind(t, s, kv,
			func() {
				if _, err := kv.Set(ctx, text("left", "x")); !errors.Is(err, context.Canceled) {
					t.Errorf("the call of who left = %v, want canceled", err)
				}
			},
			func() {
				if _, err := kv.Set(t.Context(), text("stayed", "x")); err != nil {
					t.Errorf("the call of who stayed = %v", err)
				}
			},
			func() {
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := kv.Set(short, text("short", "x")); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the call with a deadline = %v, want deadline exceeded", err)
				}
			},
		)
		cancel()
		time.Sleep(2 * time.Second) // in the bubble: only lets the deadline pass
		release()
		done.Wait()
		for key, want := range map[string]contract.Reason{"stayed": "", "left": contract.KeyNotFound, "short": contract.KeyNotFound} {
			if _, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: key}); contract.ReasonOf(err) != want {
				t.Errorf("Get(%s) = %v; a call that was given up before it was sent must not be sent", key, err)
			}
		}
	})
}

func TestARequestThatNobodyWaitsForIsCanceled(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, kv client) {
		ctx, cancel := context.WithCancel(t.Context())
		call := func() { _, _ = kv.Set(ctx, text("a", "x")) }
		release, done := behind(t, s, kv, call, call, call)
		releaseBatch := s.stop()
		release()
		synctest.Wait()
		if got := s.seen(); got != "Set, Set, Batch of 3" {
			t.Fatalf("the service saw %s, want it to hold the batch", got)
		}
		cancel()
		done.Wait()
		synctest.Wait()
		if s.canceled != 1 {
			t.Error("the batch went on although all its callers had left")
		}
		releaseBatch()
	})
}

func TestAFailedRequestFailsItsCalls(t *testing.T) {
	gone := batching.New(wiretest.Wires()[0].Transport(t, "http://127.0.0.1:1"), nil)
	kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(gone))
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if _, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"}); connect.CodeOf(err) != connect.CodeUnavailable {
				t.Errorf("Get = %v, want unavailable", err)
			}
		})
	}
	calls.Wait()
}

// Over a wire, one text that is not UTF-8 would make the message that holds it, and so a whole batch, unsendable.
func TestACallThatCannotBeSentTouchesNoOther(t *testing.T) {
	bad := []*keyvaluev1.SetRequest{text("\xff", "x"), text("a", "\xff"), {
		Key: "a", Content: &keyvaluev1.SetRequest_Value{Value: "x"},
		Precondition: &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: "\xff"}},
	}}
	for _, req := range bad {
		inBubble(t, func(t *testing.T, s *service, kv client) {
			release, done := behind(t, s, kv,
				func() { _, _ = kv.Set(t.Context(), req) },
				func() { _, _ = kv.Set(t.Context(), text("b", "x")) },
				func() { _, _ = kv.Set(t.Context(), text("c", "x")) })
			if got := s.seen(); got != "Set, Set, Set" {
				t.Errorf("the service saw %s, want the bad call by itself", got)
			}
			release()
			done.Wait()
		})
	}
}

// A storm of callers, some of whom leave, over a real connection: each who stays reads what it wrote.
