package client_test

import (
	"fmt"
	"testing"
	"time"

	"key-value/client"
)

// outcome describes a result.
func outcome(r client.Result) string {
	if r.Err != nil {
		return r.Err.(*client.Error).Reason
	}
	return fmt.Sprintf("%s=%s created:%t deleted:%t sum:%d etag:%t expires:%t",
		r.Entry.Key, r.Entry.Value, r.Created, r.Deleted, r.Sum, r.Entry.ETag != "", !r.Entry.ExpireTime.IsZero())
}

func wantOutcomes(t *testing.T, results []client.Result, want ...string) {
	t.Helper()
	if len(results) != len(want) {
		t.Fatalf("%d results, want %d", len(results), len(want))
	}
	for i, r := range results {
		if got := outcome(r); got != want[i] {
			t.Errorf("operation %d: %s, want %s", i, got, want[i])
		}
	}
}

func TestEachOperationHasItsResult(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "there", "1")
	results, err := kv.Batch(t.Context(),
		client.OpSet("a", []byte("\xff"), client.TTL(time.Hour)),
		client.OpGet("a"),
		client.OpTouch("a"),
		client.OpSet("there", []byte("2"), client.IfAbsent()),
		client.OpDelete("there"),
		client.OpDelete("there"),
		client.OpGet("there"),
		client.OpIncrement("n", 2, client.Initial(40)),
		client.Operation{},
	)
	if err != nil {
		t.Fatalf("Batch = %v", err)
	}
	wantOutcomes(t, results,
		"a=\xff created:true deleted:false sum:0 etag:true expires:true",
		"a=\xff created:false deleted:false sum:0 etag:true expires:true",
		"a= created:false deleted:false sum:0 etag:true expires:false",
		"KEY_EXISTS",
		"= created:false deleted:true sum:0 etag:false expires:false",
		"= created:false deleted:false sum:0 etag:false expires:false",
		"KEY_NOT_FOUND",
		"n= created:false deleted:false sum:42 etag:true expires:false",
		"REQUEST_INVALID",
	)
	wantError(t, "the set", results[3].Err, client.ErrExists)
	missing := wantError(t, "the get", results[6].Err, client.ErrNotFound)
	_, single := kv.Get(t.Context(), "there")
	if e := wantError(t, "Get", single, client.ErrNotFound); e.Code != missing.Code || e.Message != missing.Message {
		t.Errorf("in a batch %v (%v), by itself %v (%v); want the same", missing, missing.Code, e, e.Code)
	}
}

func TestAnAtomicBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	kv := start(t)
	old := mustSet(t, kv, "from", "10")
	_, err := kv.AtomicBatch(t.Context(),
		client.OpSet("to", []byte("10"), client.IfAbsent()), client.OpDelete("from", client.IfMatch("nope")))
	e := wantError(t, "AtomicBatch", err, client.ErrETagMismatch)
	if index, ok := e.Operation(); !ok || index != 1 {
		t.Errorf("Operation() = %d, %v; want 1, true", index, ok)
	}
	_, err = kv.Get(t.Context(), "to")
	wantError(t, "Get of a key that must not have been written", err, client.ErrNotFound)

	results, err := kv.AtomicBatch(t.Context(),
		client.OpSet("to", []byte("10"), client.IfAbsent()), client.OpDelete("from", client.IfMatch(old.ETag)))
	if err != nil {
		t.Fatalf("AtomicBatch = %v", err)
	}
	wantOutcomes(t, results,
		"to=10 created:true deleted:false sum:0 etag:true expires:false",
		"= created:false deleted:true sum:0 etag:false expires:false")
}

func TestTheSizeOfABatchIsLimited(t *testing.T) {
	t.Parallel()
	kv := start(t)
	_, err := kv.Batch(t.Context())
	e := wantError(t, "an empty batch", err, client.ErrInvalid)
	if index, ok := e.Operation(); ok {
		t.Errorf("Operation() = %d, want none", index)
	}
	_, err = kv.Batch(t.Context(), make([]client.Operation, 1001)...)
	wantError(t, "1,001 operations", err, client.ErrTooLarge)
}

func TestGetsBeyondTheResponseLimitFail(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "large", string(make([]byte, 1<<20)))
	gets := make([]client.Operation, 10)
	for i := range gets {
		gets[i] = client.OpGet("large")
	}
	results, err := kv.Batch(t.Context(), gets...)
	if err != nil {
		t.Fatalf("Batch = %v", err)
	}
	for i, r := range results {
		if i < 8 && r.Err != nil {
			t.Errorf("get %d = %v, want the value", i, r.Err)
		}
		if i >= 8 {
			wantError(t, "a get past 8 MiB", r.Err, client.ErrTooLarge)
		}
	}
}
