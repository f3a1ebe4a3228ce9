package kvservice_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
)

// counting is an engine whose statistics say how often they were read.
type counting struct {
	store.Engine // nil: nothing else is called
	reads        atomic.Int64
	broken       atomic.Bool // whether reading them fails
	hangs        atomic.Bool // whether reading them takes forever
}

func (c *counting) Stats(ctx context.Context) (store.Stats, error) {
	switch {
	case c.broken.Load():
		return store.Stats{}, errors.New("broken")
	case c.hangs.Load():
		<-ctx.Done()
		return store.Stats{}, ctx.Err()
	}
	n := c.reads.Add(1)
	return store.Stats{Keys: n, MemoryBytes: 10 * n, Hits: 100 * n, Misses: 1000 * n}, nil
}

const every = 5 * time.Second

// recorded returns the history of service, after the time it takes.
func recorded(t *testing.T, service *kvservice.Service, after time.Duration) []*keyvaluev1.StatsSample {
	t.Helper()
	time.Sleep(after)
	synctest.Wait()
	res, err := service.GetStats(t.Context(), &keyvaluev1.GetStatsRequest{History: true})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetHistory()
}

func TestTheHistoryIsOfTheLastQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := kvservice.New(&counting{}, kvservice.Config{SampleEvery: every})
		defer service.Close()
		got := recorded(t, service, 7*time.Second)
		if len(got) != 2 || got[0].GetAge().AsDuration() != 7*time.Second || got[1].GetAge().AsDuration() != 2*time.Second {
			t.Fatalf("after 7s, the history is %v, want samples 7s and 2s old", got)
		}
		if s := got[1]; s.GetKeys() != 2 || s.GetMemoryBytes() != 20 || s.GetHits() != 200 || s.GetMisses() != 2000 {
			t.Errorf("the second sample is %v, want the second statistics", s)
		}
		got = recorded(t, service, time.Hour)
		if len(got) != 180 {
			t.Fatalf("after an hour, the history has %d samples, want 180", len(got))
		}
		for i, s := range got {
			if want := time.Duration(179-i)*every + 2*time.Second; s.GetAge().AsDuration() != want {
				t.Fatalf("sample %d is %v old, want %v", i, s.GetAge().AsDuration(), want)
			}
		}
	})
}

func TestAnEngineThatDoesNotAnswerLeavesAGapInTheHistory(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(c *counting, stopped bool){
		"it fails": func(c *counting, stopped bool) { c.broken.Store(stopped) },
		"it hangs": func(c *counting, stopped bool) { c.hangs.Store(stopped) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				engine := &counting{}
				service := kvservice.New(engine, kvservice.Config{SampleEvery: every})
				defer service.Close()
				time.Sleep(2 * time.Second)
				stop(engine, true)
				time.Sleep(20 * time.Second)
				stop(engine, false)
				got := recorded(t, service, 10*time.Second)
				if len(got) < 2 || got[0].GetAge().AsDuration() != 32*time.Second || got[1].GetAge().AsDuration() >= 10*time.Second {
					t.Errorf("the history is %v, want a sample 32s old and then those of the last 10s", got)
				}
			})
		})
	}
}

// Close ends a sample that is being taken. A goroutine that is left fails the test.
func TestACloseEndsTheSamples(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &counting{}
		engine.hangs.Store(true)
		service := kvservice.New(engine, kvservice.Config{SampleEvery: every})
		synctest.Wait()
		start := time.Now()
		service.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("closing took %v of a sample", took)
		}
	})
	kvservice.New(&counting{}, kvservice.Config{}).Close()
}

func TestTheHistoryIsGivenOnRequestOverEveryWire(t *testing.T) {
	t.Parallel()
	url := serveEngine(t, newEngine(t), kvservice.Config{SampleEvery: time.Millisecond})
	for _, wire := range wiretest.Wires() {
		t.Run(wire.Name, func(t *testing.T) {
			t.Parallel()
			kv := wire.Dial(t, url)
			mustSet(t, kv, text(wire.Name, "1"))
			if res, err := kv.GetStats(t.Context(), &keyvaluev1.GetStatsRequest{}); err != nil || len(res.GetHistory()) != 0 {
				t.Errorf("without asking for the history, there are %d samples, %v", len(res.GetHistory()), err)
			}
			for {
				res, err := kv.GetStats(t.Context(), &keyvaluev1.GetStatsRequest{History: true})
				if err != nil {
					t.Fatal(err)
				}
				if h := res.GetHistory(); len(h) > 0 && h[len(h)-1].GetKeys() > 0 && h[len(h)-1].GetMemoryBytes() > 0 {
					return
				}
			}
		})
	}
}
