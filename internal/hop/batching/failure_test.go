package batching_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectinprocess"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/hop/batching"
	"key-value/internal/testkit/wiretest"
)

func TestACallerThatGivesUpDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		ctx, cancel := context.WithCancel(t.Context())
		release, done := behind(t, s, kv,
			func() {
				if _, err := kv.Set(ctx, text("canceled", "x")); !errors.Is(err, context.Canceled) {
					t.Errorf("the canceled call = %v, want canceled", err)
				}
			},
			func() {
				if _, err := kv.Set(t.Context(), text("other", "x")); err != nil {
					t.Errorf("the other call = %v", err)
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
		time.Sleep(2 * time.Second) // the deadline passes
		release()
		done.Wait()
		for key, want := range map[string]contract.Reason{"other": "", "canceled": contract.KeyNotFound, "short": contract.KeyNotFound} {
			if _, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: key}); contract.ReasonOf(err) != want {
				t.Errorf("Get(%s) = %v; want a call that was abandoned before it was sent to stay unsent", key, err)
			}
		}
	})
}

func TestABatchWithoutCallersIsCanceled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		ctx, cancel := context.WithCancel(t.Context())
		call := func() { _, _ = kv.Set(ctx, text("a", "x")) }
		release, done := behind(t, s, kv, call, call, call)
		releaseBatch := s.stop()
		release()
		synctest.Wait()
		if got := s.seen(); got != "Set, Set, Batch of 3" {
			t.Fatalf("the service saw %s, want the batch to be held", got)
		}
		cancel()
		done.Wait()
		synctest.Wait()
		if s.canceled != 1 {
			t.Error("the batch was not canceled although all its callers gave up")
		}
		releaseBatch()
	})
}

func TestAFailedRequestFailsItsCalls(t *testing.T) {
	t.Parallel()
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

// A string that is not UTF-8 cannot be encoded, and would make a whole batch fail.
func TestACallThatCannotBeEncodedDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
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
				t.Errorf("the service saw %s, want the invalid call to be sent by itself", got)
			}
			release()
			done.Wait()
		})
	}
}

// denying rejects each request that reads the key "forbidden", as a gateway does.
func denying(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		return next(ctx, spec, observed{stream, func(message any) error {
			gets := []*keyvaluev1.GetRequest{}
			switch m := message.(type) {
			case *keyvaluev1.GetRequest:
				gets = append(gets, m)
			case *keyvaluev1.BatchRequest:
				for _, o := range m.GetOperations() {
					gets = append(gets, o.GetGet())
				}
			}
			if slices.ContainsFunc(gets, func(g *keyvaluev1.GetRequest) bool { return g.GetKey() == "forbidden" }) {
				return contract.PermissionDenied.Errorf("no")
			}
			return nil
		}})
	}
}

// A call that lacks a right has its whole batch rejected. The others are then sent by themselves.
func TestADeniedCallDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		server := s.server(t, denying)
		kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(batching.New(connectinprocess.New(server), nil)))
		keys := []string{"a", "forbidden", "b"}
		errs := make([]error, len(keys))
		var waiting []func()
		for i, key := range keys {
			waiting = append(waiting, func() { _, errs[i] = kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: key}) })
		}
		release, done := behind(t, s, kv, waiting...)
		release()
		done.Wait()
		for i, want := range []contract.Reason{contract.KeyNotFound, contract.PermissionDenied, contract.KeyNotFound} {
			if contract.ReasonOf(errs[i]) != want {
				t.Errorf("Get(%s) = %v, want %s", keys[i], errs[i], want)
			}
		}
	})
}
