package keystats_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

func fill(t *testing.T, engine store.Engine, n int, key func(i int) string) {
	t.Helper()
	ops := make([]store.Operation, n)
	for i := range ops {
		ops[i] = store.Operation{Kind: store.Set, Key: key(i), Value: make([]byte, 64)}
	}
	for part := range slices.Chunk(ops, 1000) {
		if _, err := engine.Batch(t.Context(), part, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSizesByPrefix(t *testing.T) {
	t.Parallel()
	engine := memory.New(memory.Options{})
	defer engine.Close()
	fill(t, engine, 1000, func(i int) string { return fmt.Sprintf("logs/2026/%d/%d/deep", i%10, i) })
	fill(t, engine, 500, func(i int) string { return fmt.Sprintf("users:%d/x", i) })
	fill(t, engine, 10, func(i int) string { return fmt.Sprint(i) })
	r := keystats.New()
	got, err := r.Sizes(t.Context(), engine, "/", 3)
	if err != nil || !got.Exact || got.Total.Entries != 1510 {
		t.Fatalf("Sizes = %+v, %v, want exactly 1,510 entries", got, err)
	}
	var prefixes []string
	for _, p := range got.Prefixes {
		prefixes = append(prefixes, fmt.Sprint(p.Prefix, " ", p.Level, " ", p.Entries))
		if p.Bytes < 100*p.Entries || p.Bytes > 200*p.Entries {
			t.Errorf("%+v takes %d bytes an entry, want 100 to 200", p, p.Bytes/p.Entries)
		}
	}
	want := []string{
		"logs/ 1 1000", "users:0/ 1 1", "users:1/ 1 1", "logs/2026/ 2 1000", "logs/2026/0/ 3 100", "logs/2026/1/ 3 100", "logs/2026/2/ 3 100",
	}
	if !slices.Equal(prefixes, want) {
		t.Errorf("the prefixes are %q, want %q", prefixes, want)
	}
	got, err = r.Sizes(t.Context(), engine, ":", 3)
	if err != nil || len(got.Prefixes) != 1 || got.Prefixes[0].Prefix != "users:" || got.Prefixes[0].Entries != 500 {
		t.Errorf("Sizes by colon = %+v, %v, want users: with 500 entries", got, err)
	}
}

// A large store is sampled, so that it costs no more than a small one.
func TestLargeSizesAreEstimated(t *testing.T) {
	t.Parallel()
	engine := memory.New(memory.Options{})
	defer engine.Close()
	fill(t, engine, 40_000, func(i int) string { return fmt.Sprintf("tenant-%02d/%d", i%20, i) })
	got, err := keystats.New().Sizes(t.Context(), sparing{engine}, "/", 100)
	if err != nil || got.Exact || math.Abs(float64(got.Total.Entries)/40_000-1) > .05 {
		t.Fatalf("Sizes = %+v, %v, want about 40,000 entries, which are estimated", got.Total, err)
	}
	if len(got.Prefixes) != 20 {
		t.Errorf("%d prefixes, want 20", len(got.Prefixes))
	}
	for _, p := range got.Prefixes {
		if math.Abs(float64(p.Entries)/2000-1) > .2 {
			t.Errorf("%s has %d entries, want about 2,000", p.Prefix, p.Entries)
		}
	}
}

// sparing is an engine whose samples are a twentieth as large as was asked for.
type sparing struct{ keystats.Sampler }

func (s sparing) Sample(ctx context.Context, n int, each func(key string, bytes, weight int64)) error {
	return s.Sampler.Sample(ctx, n/20, each)
}

// counting is an engine that counts how often it is asked.
type counting struct{ asked int }

func (c *counting) Sample(_ context.Context, _ int, each func(key string, bytes, weight int64)) error {
	c.asked++
	each("a/b", 10, 1)
	return nil
}

func TestEntriesAreCountedAtMostEveryTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, engine := keystats.New(), &counting{}
		for range 10 {
			if _, err := r.Sizes(t.Context(), engine, "/", 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got, err := r.Sizes(t.Context(), engine, "/", 1); engine.asked != 1 || got.Age != 10*time.Second || err != nil {
			t.Errorf("after 10 s, the engine was asked %d times, and the sizes are %+v, %v", engine.asked, got, err)
		}
		time.Sleep(time.Second)
		if got, err := r.Sizes(t.Context(), engine, "/", 1); engine.asked != 2 || got.Age != 0 || err != nil {
			t.Errorf("after 11 s, the engine was asked %d times, and the sizes are %+v, %v", engine.asked, got, err)
		}
	})
}

// Prefixes that are all different, many more than are kept.
func TestTheLargestPrefixesAreKept(t *testing.T) {
	t.Parallel()
	engine := many{}
	got, err := keystats.New().Sizes(t.Context(), engine, "/", 3)
	if err != nil || len(got.Prefixes) != 3 || got.Prefixes[0].Prefix != "p-050000/" || got.Prefixes[0].Bytes != 5_000_000 {
		t.Errorf("Sizes = %+v, %v, want p-050000/ first", got, err)
	}
	if _, err := keystats.New().Sizes(t.Context(), failing{}, "/", 3); !errors.Is(err, errFailing) {
		t.Errorf("Sizes of an engine that fails = %v", err)
	}
}

type many struct{}

func (many) Sample(_ context.Context, _ int, each func(key string, bytes, weight int64)) error {
	for i := range 100_000 {
		bytes := int64(i)
		if i == 50_000 {
			bytes = 5_000_000
		}
		each(fmt.Sprintf("p-%06d/x", i), bytes, 1)
	}
	return nil
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Sample(context.Context, int, func(key string, bytes, weight int64)) error {
	return errFailing
}

// stalled is an engine whose disk does not answer.
type stalled struct{ release chan struct{} }

func (s stalled) Sample(context.Context, int, func(key string, bytes, weight int64)) error {
	<-s.release
	return nil
}

func TestWaitingForSizesEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, engine := keystats.New(), stalled{make(chan struct{})}
		go func() { _, _ = r.Sizes(t.Context(), engine, "/", 1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(time.Minute, func() { close(engine.release) })
		start := time.Now()
		if _, err := r.Sizes(ctx, engine, "/", 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Sizes behind a stalled one = %v after %s, want its deadline after 1 s", err, time.Since(start))
		}
		time.Sleep(2 * time.Minute)
	})
}
