package kvservice_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

func FuzzPageToken(f *testing.F) {
	f.Add("a/", "a/1", kvservice.PageToken(store.ListRequest{Prefix: "a/"}, "a/1"))
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, prefix, last, token string) {
		list := store.ListRequest{Prefix: prefix}
		if last != "" && strings.HasPrefix(last, prefix) {
			if got, ok := kvservice.ParsePageToken(list, kvservice.PageToken(list, last)); !ok || got != last {
				t.Errorf("the token of %q parses as %q, %v", last, got, ok)
			}
		}
		got, ok := kvservice.ParsePageToken(list, token)
		if ok && token != "" && kvservice.PageToken(list, got) != token {
			t.Errorf("ParsePageToken(%q, %q) accepted a forged token", prefix, token)
		}
	})
}

func FuzzResumeToken(f *testing.F) {
	f.Add("2vxi4i7azeo1-3k", kvservice.ResumeToken("2vxi4i7azeo1-3k"))
	f.Add("", "-00000000")
	f.Fuzz(func(t *testing.T, made, token string) {
		if got, ok := kvservice.ParseResumeToken(kvservice.ResumeToken(made)); !ok || got != made {
			t.Errorf("the token of %q parses as %q, %v", made, got, ok)
		}
		if got, ok := kvservice.ParseResumeToken(token); ok && (kvservice.ResumeToken(got) != token || (got == "") != (token == "")) {
			t.Errorf("ParseResumeToken(%q) accepted a forged token, as %q", token, got)
		}
	})
}

func FuzzTTL(f *testing.F) {
	f.Add(int64(90), int32(0))
	f.Add(int64(-1), int32(-999_999_999))
	f.Add(int64(315_576_000_000), int32(999_999_999))
	f.Fuzz(func(t *testing.T, seconds int64, nanos int32) {
		d, err := kvservice.ReadTTL(&durationpb.Duration{Seconds: seconds, Nanos: nanos})
		if err == nil && (d <= 0 || d > contract.MaxTTL || d != time.Duration(seconds)*time.Second+time.Duration(nanos)) {
			t.Errorf("a TTL of %d s and %d ns parses as %v", seconds, nanos, d)
		}
	})
}

// FuzzBatch sends anything that parses as a batch. If an atomic batch fails, nothing must have changed.
func FuzzBatch(f *testing.F) {
	for _, seed := range []*keyvaluev1.BatchRequest{
		{},
		{Operations: []*keyvaluev1.Operation{opSet(text("a", "1")), opGet("a"), opDelete("a"), {}}},
		{Atomic: true, Operations: []*keyvaluev1.Operation{opIncrement("a", 1), opSet(onlyIfAbsent(text("a", "x")))}},
	} {
		message, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		var req keyvaluev1.BatchRequest
		if proto.Unmarshal(message, &req) != nil {
			t.Skip("not a message")
		}
		engine := memory.New(memory.Options{})
		defer engine.Close()
		res, err := kvservice.New(engine, kvservice.Config{}).Batch(context.Background(), &req)
		switch {
		case err == nil && len(res.GetResults()) != len(req.GetOperations()):
			t.Errorf("%d operations had %d results", len(req.GetOperations()), len(res.GetResults()))
		case err != nil && contract.ReasonOf(err) == "":
			t.Errorf("the batch failed without a reason: %v", err)
		case err != nil && req.GetAtomic():
			if page, listErr := engine.List(context.Background(), store.ListRequest{Limit: 1, MaxBytes: 1}); listErr != nil || len(page.Entries) != 0 {
				t.Errorf("the batch failed with %v, but the store has %v", err, page.Entries)
			}
		}
	})
}
