package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"key-value/internal/server/gctune"
	"key-value/internal/testkit/proc"
	kv "key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// measureOurs measures our side in a process of its own.
func measureOurs(n int) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return figures{}, err
	}
	text, err := proc.Command{Path: self, Args: []string{"-child", "-entries", strconv.Itoa(n)}}.Output(context.Background())
	if err != nil {
		return figures{}, fmt.Errorf("measure the engine: %w", err)
	}
	var f figures
	_, err = fmt.Sscan(text, &f.empty, &f.loaded, &f.rest, &f.peak, &f.counted, &f.pause, &f.cycles)
	return f, err
}

func printOurs(stdout io.Writer, n int) error {
	e := memory.New(memory.Options{})
	defer e.Close()
	gctune.Default.Follow()
	p, err := newProcess(os.Getpid())
	if err != nil {
		return err
	}
	f, err := p.measure(ours{e}, n)
	if err != nil {
		return err
	}
	stats, err := e.Stats(context.Background())
	if err != nil {
		return err
	}
	f.counted = float64(stats.MemoryBytes) / float64(stats.Keys)
	f.pause, f.cycles = longestPause()
	_, err = fmt.Fprintln(stdout, f.empty, f.loaded, f.rest, f.peak, f.counted, int64(f.pause), f.cycles)
	return err
}

// ours is the memory engine.
type ours struct{ engine *memory.Engine }

func (o ours) set(key, value []byte) error {
	_, err := o.engine.Do(context.Background(), kv.Operation{Kind: kv.Set, Key: string(key), Value: value, TTL: 24 * time.Hour})
	return err
}

func (o ours) flush() error { return nil }

// settle does at once what the runtime does within minutes of rest.
func (o ours) settle() {
	debug.FreeOSMemory()
}

// longestPause returns the approximate longest pause for garbage collection, and the number of collections.
func longestPause() (time.Duration, int) {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	histogram := sample[0].Value.Float64Histogram()
	longest := 0.0
	for i, count := range histogram.Counts {
		if count > 0 {
			longest = histogram.Buckets[i+1]
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return time.Duration(longest * float64(time.Second)), int(stats.NumGC)
}
