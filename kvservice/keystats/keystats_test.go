package keystats_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/keystats"
)

// zipf returns a source of a million keys, drawn by Zipf's law.
func zipf(exponent float64) func() string {
	draw := rand.NewZipf(rand.New(rand.NewPCG(7, 7)), exponent, 1, 1_000_000-1)
	return func() string { return fmt.Sprintf("tenant/user-%d", draw.Uint64()) }
}

// The reads take two minutes, so what was read first hardly counts.
func TestTheTopTwentyOfAMillionKeysAreFound(t *testing.T) {
	t.Parallel()
	for _, exponent := range []float64{1.01, 1.3} {
		synctest.Test(t, func(t *testing.T) {
			const reads, steps = 240_000, 1200
			r, key, counts := keystats.NewUnlimited(), zipf(exponent), map[string]float64{}
			for step := range steps {
				weight := math.Exp(float64(step-steps) / 600)
				for range reads / steps {
					k := key()
					counts[k] += weight
					r.Record(keystats.Operation{Key: k})
				}
				time.Sleep(100 * time.Millisecond)
			}
			want := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })[:20]
			report, found := r.Report(20), 0
			for _, got := range report.Reads.Keys {
				if slices.Contains(want, got.Key) {
					found++
				}
			}
			if found < 19 || report.SampledEvery != 1 {
				t.Errorf("exponent %g: %d of the top 20 were found, of one operation in %d, want at least 19 of all", exponent, found, report.SampledEvery)
			}
			got, all := report.Reads.Keys[0], reads/120.
			if got.Key != want[0] || math.Abs(got.PerSecond/(counts[want[0]]/report.Window.Seconds())-1) > .02 {
				t.Errorf("exponent %g: the hottest key is %+v, want %s with %.1f a second", exponent, got, want[0], counts[want[0]]/report.Window.Seconds())
			}
			if math.Abs(report.Reads.PerSecond/all-1) > .02 || report.Writes.PerSecond != 0 {
				t.Errorf("exponent %g: %.1f reads a second and %.1f writes, want %.1f and none", exponent, report.Reads.PerSecond, report.Writes.PerSecond, all)
			}
		})
	}
}

// Under load, one operation in many is sampled, which the rates must not show.
func TestSamplingKeepsTheRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, key := keystats.New(), zipf(1.2)
		for range 600 {
			for range 2000 {
				r.Record(keystats.Operation{Key: key()})
				r.Record(keystats.Operation{Key: "app/hot", Write: true})
			}
			r.RecordBatch(1000, func(i int) keystats.Operation {
				return keystats.Operation{Key: fmt.Sprintf("app/%d/a", i%2), Write: true}
			})
			time.Sleep(100 * time.Millisecond)
		}
		report := r.Report(20)
		if report.SampledEvery < 32 || report.SampledEvery > 256 {
			t.Errorf("one operation in %d is sampled of 50,000 a second, want about 500 a second", report.SampledEvery)
		}
		near := func(what string, got, want float64) {
			if math.Abs(got/want-1) > .15 {
				t.Errorf("%s: %.1f a second, want about %.1f", what, got, want)
			}
		}
		near("reads", report.Reads.PerSecond, 20_000)
		near("writes", report.Writes.PerSecond, 30_000)
		near(report.Writes.Keys[0].Key, report.Writes.Keys[0].PerSecond, 20_000)
		near(report.Writes.Keys[1].Key, report.Writes.Keys[1].PerSecond, 5000)
		if got := report.Writes.Prefixes; len(got) != 3 || got[0].Key != "app/" || !strings.HasPrefix(got[1].Key, "app/") {
			t.Errorf("the written prefixes are %+v, want app/, app/0/ and app/1/", got)
		} else {
			near("app/", got[0].PerSecond, 30_000)
		}
		if read, write := r.Hottest(); read.Key != "tenant/user-0" || write.Key != "app/hot" || math.Abs(write.Share-2./3) > .05 {
			t.Errorf("the hottest keys are %+v and %+v", read, write)
		}

		// Once the load is gone, everything is sampled again.
		for range 3 {
			time.Sleep(time.Second)
			r.Record(keystats.Operation{Key: "app/quiet"})
			r.End(r.Start(), func() keystats.Call { return keystats.Call{} })
		}
		if got := r.Report(1).SampledEvery; got != 1 {
			t.Errorf("one operation in %d is sampled of one a second, want all", got)
		}
	})
}

func TestWhatWasHotYesterdayIsNotHotToday(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := keystats.New()
		read := func(key string) {
			for range 1000 {
				r.Record(keystats.Operation{Key: key})
				time.Sleep(10 * time.Millisecond)
			}
		}
		read("yesterday")
		if got := r.Report(10).Reads.Keys; len(got) != 1 || math.Abs(got[0].PerSecond-100) > 5 {
			t.Errorf("after 100 reads a second, the hottest keys are %+v", got)
		}
		time.Sleep(10 * time.Second)
		if read, _ := r.Hottest(); read.Share != 1 {
			t.Errorf("10 s later, the hottest key is %+v, want a share of 1", read)
		}
		time.Sleep(24 * time.Hour)
		if got := r.Report(10).Reads; len(got.Keys) != 0 || got.PerSecond > .001 {
			t.Errorf("a day later, the reads are %+v, want none", got)
		}
		if read, write := r.Hottest(); read != (keystats.Rate{}) || write != (keystats.Rate{}) {
			t.Errorf("a day later, the hottest keys are %+v and %+v, want none", read, write)
		}
		read("today")
		if got := r.Report(10).Reads.Keys; len(got) != 1 || got[0].Key != "today" {
			t.Errorf("after reads of another key, the hottest keys are %+v, want that one", got)
		}
	})
}

// Keys that are all different, as long as possible and full of levels take no more memory than the sketches may.
func TestHostileKeysTakeBoundedMemory(t *testing.T) {
	r, before := keystats.NewUnlimited(), heap()
	for i := range 20_000 {
		key := fmt.Sprintf("%0340d/%0340d/%0340d/", i, i, i)
		r.Record(keystats.Operation{Key: key, Write: i%2 == 0})
		r.End(r.Start(), func() keystats.Call {
			return keystats.Call{Key: key + key, RequestID: strings.Repeat(key[:100]+",", 100)}
		})
	}
	if grown := heap() - before; grown > 6<<20 {
		t.Errorf("20,000 keys of 1 KiB take %d KiB, want at most 6 MiB", grown>>10)
	}
	report := r.Report(keystats.MaxLimit)
	for _, got := range report.Reads.Keys {
		if got.Share > .001 {
			t.Errorf("%s… was read once and has the share %g", got.Key[:8], got.Share)
		}
	}
	if len(report.SlowCalls) != keystats.MaxLimit {
		t.Errorf("%d slow calls, want %d", len(report.SlowCalls), keystats.MaxLimit)
	}
	for _, c := range report.SlowCalls {
		if len(c.Key) > 1024 || len(c.RequestID) > 512 || strings.HasSuffix(c.RequestID, ",") {
			t.Fatalf("a slow call has a key of %d bytes and the ids %q", len(c.Key), c.RequestID)
		}
	}
}

// heap returns the memory of what is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestSlowCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := keystats.New()
		call := func(method string, took time.Duration) {
			start := r.Start()
			time.Sleep(took)
			r.End(start, func() keystats.Call { return keystats.Call{Method: method, Operations: 1} })
		}
		call("Slowest", 500*time.Millisecond)
		for i := range 1000 {
			call("Quick", time.Duration(i)*time.Microsecond)
		}
		call("Slow", 100*time.Millisecond)
		got := r.Report(3).SlowCalls
		if len(got) != 3 || got[0].Method != "Slowest" || got[1].Method != "Slow" || got[2].Took != 999*time.Microsecond {
			t.Errorf("the slowest calls are %+v, want 500ms, 100ms and 999µs", got)
		}
		if len(got) > 1 && (got[0].Took != 500*time.Millisecond || got[1].Age != 0 || got[0].Age < 599*time.Millisecond) {
			t.Errorf("the slowest calls are %+v, want their durations and ages", got)
		}
		if all := r.Report(keystats.MaxLimit).SlowCalls; len(all) != keystats.MaxLimit {
			t.Errorf("%d calls are kept, want %d", len(all), keystats.MaxLimit)
		}
		time.Sleep(6 * time.Minute)
		call("Later", time.Millisecond)
		if got := r.Report(2).SlowCalls; len(got) != 2 || got[0].Method != "Slowest" {
			t.Errorf("6 minutes later, the slowest calls are %+v, want the same one first", got)
		}
		time.Sleep(6 * time.Minute)
		call("Latest", time.Microsecond)
		if got := r.Report(5).SlowCalls; len(got) != 2 || got[0].Method != "Later" || got[1].Method != "Latest" {
			t.Errorf("12 minutes later, the slowest calls are %+v, want those since", got)
		}
	})
}

// Recording and reporting run at the same time, for the race detector.
func TestRecordingAndReportingAtOnce(t *testing.T) {
	t.Parallel()
	r := keystats.New()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 5000 {
				start := r.Start()
				r.Record(keystats.Operation{Key: fmt.Sprint("a/", n%50), Write: i%2 == 0})
				r.RecordBatch(10, func(n int) keystats.Operation { return keystats.Operation{Key: fmt.Sprint("b/", n)} })
				r.End(start, func() keystats.Call { return keystats.Call{Method: "Get"} })
			}
		})
		all.Go(func() {
			for range 100 {
				r.Report(20)
				if _, err := r.Sizes(t.Context(), &counting{}, "/", 1); err != nil {
					t.Error(err)
				}
				r.Hottest()
			}
		})
	}
	all.Wait()
	if got := r.Report(1); len(got.Reads.Keys) != 1 || len(got.Writes.Keys) != 1 || len(got.SlowCalls) != 1 {
		t.Errorf("the report is %+v, want a key of each kind and a call", got)
	}
}

func TestANilRecorderRecordsNothing(t *testing.T) {
	var r *keystats.Recorder
	if n := testing.AllocsPerRun(10, func() {
		start := r.Start()
		r.Record(keystats.Operation{Key: "a"})
		r.RecordBatch(1, func(int) keystats.Operation { panic("it is not asked for") })
		r.End(start, func() keystats.Call { panic("it is not asked for") })
	}); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}
