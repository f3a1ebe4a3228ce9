package client_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"key-value/client"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

// numbered returns n values by key, each of size bytes.
func numbered(n, size int) map[string][]byte {
	values := make(map[string][]byte, n)
	for i := range n {
		values[fmt.Sprintf("many/%05d", i)] = bytes.Repeat([]byte{byte(i)}, size)
	}
	return values
}

// startWithValues returns a client of a service whose longest value has so many bytes.
func startWithValues(t *testing.T, bytes int) *client.Client {
	server := procedures(kvservice.New(newEngine(t), kvservice.Config{MaxValueBytes: bytes}), nil)
	url := wiretest.ServeRPC(t, rpc.Mount(server, bytes, nil), server)
	return dial(t, url, client.WithMaxValueBytes(bytes))
}

// mustSetMany writes values, reads them back in all ways, and returns what it wrote.
func mustSetMany(t *testing.T, kv *client.Client, values map[string][]byte) map[string]client.Entry {
	t.Helper()
	wrote, err := kv.SetMany(t.Context(), values)
	if err != nil || len(wrote) != len(values) {
		t.Fatalf("SetMany wrote %d entries, %v; want %d", len(wrote), err, len(values))
	}
	found, err := kv.GetMany(t.Context(), slices.Collect(maps.Keys(values))...)
	if err != nil || len(found) != len(values) {
		t.Fatalf("GetMany found %d entries, %v; want %d", len(found), err, len(values))
	}
	for key, value := range values {
		if got := found[key]; got.Key != key || !bytes.Equal(got.Value, value) || got.ETag != wrote[key].ETag {
			t.Fatalf("GetMany found %s with %d bytes and etag %s; want %d and %s", key, len(got.Value), got.ETag, len(value), wrote[key].ETag)
		}
	}
	return wrote
}

func TestManyEntriesTakeSeveralRequests(t *testing.T) {
	t.Parallel()
	kv := start(t)
	values := numbered(2500, 8)
	mustSetMany(t, kv, values)
	mustSet(t, kv, "manyfold", "")

	found, err := kv.GetMany(t.Context(), "many/00001", "nope", "many/02499", "many/00001")
	if err != nil || len(found) != 2 || found["many/02499"].Key == "" {
		t.Errorf("GetMany = %v, %v; want the two that exist", found, err)
	}
	if found, err := kv.GetMany(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("GetMany of no key = %v, %v", found, err)
	}
	if wrote, err := kv.SetMany(t.Context(), nil); err != nil || len(wrote) != 0 {
		t.Errorf("SetMany of no value = %v, %v", wrote, err)
	}

	var keys []string
	for entry, err := range kv.All(t.Context(), "many/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, entry.Key)
	}
	if want := slices.Sorted(maps.Keys(values)); !slices.Equal(keys, want) {
		t.Errorf("All yields %d keys, want the %d in order", len(keys), len(want))
	}

	if _, err := kv.DeletePrefix(t.Context(), ""); err == nil {
		t.Error("DeletePrefix of an empty prefix succeeds")
	}
	if n, err := kv.DeletePrefix(t.Context(), "many/"); err != nil || n != 2500 {
		t.Errorf("DeletePrefix = %d, %v; want 2500", n, err)
	}
	wantValue(t, kv, "manyfold", "")
}

func TestManyLargeValuesTakeSeveralRequests(t *testing.T) {
	t.Parallel()
	mustSetMany(t, start(t), numbered(20, contract.DefaultValueBytes)) // at most 8 fit into a response
}

func TestValuesThatAreTooLongForABatchAreReadByThemselves(t *testing.T) {
	t.Parallel()
	kv := startWithValues(t, 2*contract.MaxContentBytes)
	mustSetMany(t, kv, numbered(3, contract.MaxContentBytes+1))
}

func TestAServiceWithALowerLimitGetsSmallerRequests(t *testing.T) {
	t.Parallel()
	kv := startWithValues(t, 1024) // a request has at most 70 KiB
	mustSetMany(t, kv, numbered(500, 1024))
	values := numbered(3, 1024)
	values["many/00001"] = make([]byte, 1<<20)
	wrote, err := kv.SetMany(t.Context(), values)
	wantError(t, "SetMany with a value over the limit", err, client.ErrTooLarge)
	if len(wrote) > 2 {
		t.Errorf("SetMany wrote %d entries, want at most 2", len(wrote))
	}
}

func TestAnEntryThatFailsDoesNotKeepOthersFromBeingWritten(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "b", "old")
	wrote, err := kv.SetMany(t.Context(), map[string][]byte{"a": nil, "b": nil, "c": nil}, client.IfAbsent())
	wantError(t, "SetMany", err, client.ErrExists)
	if keys := slices.Sorted(maps.Keys(wrote)); !slices.Equal(keys, []string{"a", "c"}) {
		t.Errorf("SetMany wrote %v, want a and c", keys)
	}
	wantValue(t, kv, "b", "old")
	wantValue(t, kv, "c", "")
	if _, err := kv.GetMany(t.Context(), "a", ""); err == nil {
		t.Error("GetMany of an empty key succeeds")
	}
}
