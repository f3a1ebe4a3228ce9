package kvservice_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
)

func newRecording(engine store.Engine) *kvservice.Service {
	return kvservice.New(engine, kvservice.Config{Keys: keystats.New()})
}

func keyStats(t *testing.T, s *kvservice.Service, req *keyvaluev1.GetKeyStatsRequest) *keyvaluev1.GetKeyStatsResponse {
	t.Helper()
	stats, err := s.GetKeyStats(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// Every call of the contract is recorded as what it is.
func TestKeyStatsKnowEveryCall(t *testing.T) {
	t.Parallel()
	s, ctx := newRecording(newEngine(t)), t.Context()
	do := func(_ any, err error) {
		if err != nil && contract.ReasonOf(err) != contract.KeyNotFound {
			t.Fatal(err)
		}
	}
	do(s.Set(ctx, text("a/set", "1")))
	do(s.Get(ctx, &keyvaluev1.GetRequest{Key: "a/set"}))
	do(s.Get(ctx, &keyvaluev1.GetRequest{Key: "a/missing"}))
	do(s.Touch(ctx, &keyvaluev1.TouchRequest{Key: "a/set"}))
	do(s.Increment(ctx, &keyvaluev1.IncrementRequest{Key: "a/n", Delta: 1}))
	do(s.Delete(ctx, &keyvaluev1.DeleteRequest{Key: "a/n"}))
	do(s.Batch(ctx, &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{opGet("b/1"), opSet(text("b/2", "1"))}}))
	do(s.Batch(ctx, &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{opSet(text("b/3", "1"))}, Atomic: true}))
	do(s.List(ctx, &keyvaluev1.ListRequest{Prefix: "a/"}))
	do(s.DeleteRange(ctx, &keyvaluev1.DeleteRangeRequest{Start: "x", End: "y"}))
	stats := keyStats(t, s, &keyvaluev1.GetKeyStatsRequest{})
	for _, want := range []struct {
		traffic *keyvaluev1.KeyTraffic
		keys    string
	}{
		{stats.GetReads(), "a/missing a/set b/1"},
		{stats.GetWrites(), "a/n a/set b/2 b/3"},
	} {
		var keys []string
		share := 0.0
		for _, k := range want.traffic.GetKeys() {
			keys, share = append(keys, k.GetKey()), share+k.GetShare()
		}
		slices.Sort(keys)
		if strings.Join(keys, " ") != want.keys || share < .999 || share > 1.001 || len(want.traffic.GetPrefixes()) != 2 {
			t.Errorf("the traffic is %v, want that of %s", want.traffic, want.keys)
		}
	}
	got := map[string]bool{}
	for _, c := range stats.GetSlowCalls() {
		got[fmt.Sprint(c.GetMethod(), " ", c.GetKey(), " ", c.GetOperations(), " ", c.GetCode())] = true
		if c.GetDuration().AsDuration() <= 0 || c.GetAge().AsDuration() < 0 {
			t.Errorf("a slow call is %v, want its duration and age", c)
		}
	}
	for _, want := range []string{
		"Set a/set 1 ok", "Get a/set 1 ok", "Get a/missing 1 not_found", "Touch a/set 1 ok", "Increment a/n 1 ok", "Delete a/n 1 ok",
		"Batch b/1 2 ok", "Batch b/3 1 ok", "List a/ 1 ok", "DeleteRange x 1 ok",
	} {
		if !got[want] {
			t.Errorf("the slow calls are %v, want %s among them", got, want)
		}
	}
	if sizes := stats.GetSizes(); !sizes.GetKnown() || !sizes.GetExact() || sizes.GetEntries() != 3 || len(sizes.GetPrefixes()) != 2 {
		t.Errorf("the sizes are %v, want those of 3 entries with 2 prefixes", sizes)
	}
}

func TestKeyStatsCheckTheRequest(t *testing.T) {
	t.Parallel()
	s := newRecording(newEngine(t))
	for i := range 200 {
		if _, err := s.Get(t.Context(), &keyvaluev1.GetRequest{Key: fmt.Sprint("k", i), AllowMissing: true}); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int32]int{0: 20, 1: 1, 100: 100, 1000: 100} {
		got := keyStats(t, s, &keyvaluev1.GetKeyStatsRequest{Limit: limit})
		if len(got.GetReads().GetKeys()) != want || len(got.GetSlowCalls()) != want {
			t.Errorf("with limit %d, there are %d keys and %d calls, want %d", limit, len(got.GetReads().GetKeys()), len(got.GetSlowCalls()), want)
		}
	}
	if _, err := s.GetKeyStats(t.Context(), &keyvaluev1.GetKeyStatsRequest{Limit: -1}); contract.ReasonOf(err) != contract.RequestInvalid {
		t.Errorf("with limit -1: %v, want REQUEST_INVALID", err)
	}
	if _, err := s.GetKeyStats(t.Context(), &keyvaluev1.GetKeyStatsRequest{Delimiter: "\x00"}); contract.ReasonOf(err) != contract.KeyInvalid {
		t.Errorf("with the delimiter NUL: %v, want KEY_INVALID", err)
	}
}

// A service without a recorder says so, and nothing else.
func TestKeyStatsThatAreOffAreEmpty(t *testing.T) {
	t.Parallel()
	s := kvservice.New(newEngine(t), kvservice.Config{})
	if _, err := s.Set(t.Context(), text("a/set", "1")); err != nil {
		t.Fatal(err)
	}
	if got := keyStats(t, s, &keyvaluev1.GetKeyStatsRequest{}); !proto.Equal(got, &keyvaluev1.GetKeyStatsResponse{}) {
		t.Errorf("GetKeyStats = %v, want nothing", got)
	}
}

// elsewhere is an engine whose entries are in another process.
type elsewhere struct{ store.Engine }

// unready is an engine that cannot tell its entries.
type unready struct {
	store.Engine
	err error
}

func (e unready) Sample(context.Context, int, func(key string, bytes, weight int64)) error {
	return e.err
}

func TestSizesThatAreNotKnownAreExplained(t *testing.T) {
	t.Parallel()
	for want, engine := range map[string]store.Engine{
		"in another process": elsewhere{newEngine(t)}, "loading": unready{newEngine(t), store.ErrLoading},
	} {
		s := newRecording(engine)
		if _, err := s.Get(t.Context(), &keyvaluev1.GetRequest{Key: "a", AllowMissing: true}); err != nil {
			t.Fatal(err)
		}
		got := keyStats(t, s, &keyvaluev1.GetKeyStatsRequest{})
		if got.GetSizes().GetKnown() || !strings.Contains(got.GetSizes().GetUnknownReason(), want) || len(got.GetReads().GetKeys()) != 1 {
			t.Errorf("GetKeyStats = %v, want the hot key, and why sizes are not known: %s", got, want)
		}
	}
	broken := errors.New("broken")
	if _, err := newRecording(unready{newEngine(t), broken}).GetKeyStats(t.Context(), &keyvaluev1.GetKeyStatsRequest{}); !errors.Is(err, broken) {
		t.Errorf("GetKeyStats of an engine that fails = %v, want its error", err)
	}
}

// stuck is an engine whose disk does not confirm writes.
type stuck struct{ store.Engine }

func (stuck) Sample(ctx context.Context, _ int, _ func(key string, bytes, weight int64)) error {
	<-ctx.Done()
	return ctx.Err()
}

// A stalled disk must not hide which calls are slow because of it.
func TestAStalledDiskHidesOnlyTheSizes(t *testing.T) {
	t.Parallel()
	s := newRecording(stuck{newEngine(t)})
	if _, err := s.Get(t.Context(), &keyvaluev1.GetRequest{Key: "a", AllowMissing: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := s.GetKeyStats(ctx, &keyvaluev1.GetKeyStatsRequest{})
	if err != nil || len(got.GetSlowCalls()) != 1 || got.GetSizes().GetKnown() || !strings.Contains(got.GetSizes().GetUnknownReason(), "disk") {
		t.Errorf("GetKeyStats = %v, %v, want the slow call, and why sizes are not known", got, err)
	}
}
