package kvservice_test

import (
	"fmt"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

func TestARangeIsDeletedInPartsOverEveryWire(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		for i := range contract.MaxOperations + 5 {
			mustSet(t, kv, text(fmt.Sprintf("tmp/%04d", i), "x"))
		}
		mustSet(t, kv, text("keep", "x"))
		for _, dry := range []bool{true, false} {
			req := &keyvaluev1.DeleteRangeRequest{Prefix: "tmp/", DryRun: dry}
			first, err := kv.DeleteRange(t.Context(), req)
			if err != nil || first.GetDeleted() != contract.MaxOperations || first.GetNextPageToken() == "" {
				t.Fatalf("DeleteRange = %v, %v; want %d entries and a token", first, err, contract.MaxOperations)
			}
			_, err = kv.DeleteRange(t.Context(), &keyvaluev1.DeleteRangeRequest{Prefix: "tmp/", DryRun: !dry, PageToken: first.GetNextPageToken()})
			wantReason(t, "a token of another call", err, contract.PageTokenInvalid)
			req.PageToken = first.GetNextPageToken()
			if rest, err := kv.DeleteRange(t.Context(), req); err != nil || rest.GetDeleted() != 5 || rest.GetNextPageToken() != "" {
				t.Errorf("the next DeleteRange = %v, %v; want 5 entries and no token", rest, err)
			}
		}
		if got := listAll(t, kv, &keyvaluev1.ListRequest{}); fmt.Sprint(got) != "[keep]" {
			t.Errorf("%d keys are left, want one", len(got))
		}
	})
}

func TestARangeToDeleteIsNeverEverythingByAccident(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("a", "x"))
		for _, req := range []*keyvaluev1.DeleteRangeRequest{
			{}, {Start: "a"}, {End: "z"}, {DryRun: true}, {All: true, Prefix: "a"}, {All: true, Start: "a", End: "b"},
		} {
			_, err := kv.DeleteRange(t.Context(), req)
			wantReason(t, fmt.Sprintf("DeleteRange(%v)", req), err, contract.RequestInvalid)
		}
		if res, err := kv.DeleteRange(t.Context(), &keyvaluev1.DeleteRangeRequest{All: true}); err != nil || res.GetDeleted() != 1 {
			t.Errorf("DeleteRange of all = %v, %v; want one entry", res, err)
		}
	})
}
