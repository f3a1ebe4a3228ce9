package batching_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectinprocess"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/hop/batching"
)

// denying refuses each request in which the key "forbidden" is read, as a gateway does.
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

// A call that lacks a right gets the whole batch refused. The others are none the worse for having waited beside it.
func TestACallWithoutTheRightTouchesNoOther(t *testing.T) {
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
