package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"key-value/client"
	"key-value/test/bench/dataset"
	"key-value/test/record"
)

const (
	withoutSnapshot = "idle"
	duringSnapshot  = "while a snapshot is written"
)

const (
	// snapshotRate is how many gets per second are sent while a snapshot is written, over callers connections.
	snapshotRate = 5000
	// snapshotFiller is the length of values that make the log grow until a snapshot is due, in bytes.
	snapshotFiller = 256 << 10
	// pollEvery is the time between two looks at a directory or a port.
	pollEvery = time.Millisecond
)

// snapshots measures how long gets take while a large store writes a snapshot and nothing else, and while it is idle.
func (b *bench) snapshots(ctx context.Context) ([]outcome, error) {
	setting := record.Thousands(b.logged) + " entries"
	if b.before != "" || !b.wants(snapshotGet, setting) {
		return nil, nil
	}
	b.announce(snapshotGet, setting)
	during, idle, err := b.latencies(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	o := outcome{Scenario: snapshotGet, Setting: setting, Unit: "µs"}
	o.add(withoutSnapshot, idle, err)
	o.add(duringSnapshot, during, err)
	return []outcome{o}, nil
}

// latencies returns the p99 of each round in microseconds.
func (b *bench) latencies(ctx context.Context) (during, idle []float64, err error) {
	dir, err := os.MkdirTemp(b.servers.dir, "log")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	server, err := b.servers.startStore(ctx, store, b.logged, "serve", "--data-dir", dir)
	if err != nil {
		return nil, nil, err
	}
	defer stop(server)
	kv, err := client.New("http://"+server.Addr, client.WithAPIKey(apiKey))
	if err != nil {
		return nil, nil, err
	}
	defer kv.Close()
	for range b.rounds {
		if err := untilSnapshot(ctx, kv, dir); err != nil {
			return nil, nil, err
		}
		begin := time.Now()
		slow, err := p99(ctx, server.Addr, func() bool { return isWriting(dir) })
		if err != nil {
			return nil, nil, err
		}
		took := time.Since(begin)
		begin = time.Now()
		usual, err := p99(ctx, server.Addr, func() bool { return time.Since(begin) < took })
		if err != nil {
			return nil, nil, err
		}
		during, idle = append(during, slow), append(idle, usual)
	}
	return during, idle, nil
}

// untilSnapshot writes until the store begins another snapshot.
func untilSnapshot(ctx context.Context, kv *client.Client, dir string) error {
	for isWriting(dir) {
		time.Sleep(pollEvery)
	}
	for !isWriting(dir) {
		if _, _, err := kv.Set(ctx, "filler", make([]byte, snapshotFiller)); err != nil {
			return err
		}
	}
	return nil
}

// isWriting reports whether a store writes a snapshot to dir.
func isWriting(dir string) bool {
	files, _ := os.ReadDir(dir) // it exists
	return slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ".tmp") })
}

// p99 sends gets while more reports true, and returns the 99th percentile of the times that they took, in microseconds. A get
// that is sent late, because the one before it on its connection took long, counts from when it was due.
func p99(ctx context.Context, addr string, more func() bool) (float64, error) {
	var all sync.WaitGroup
	times, errs := make([][]time.Duration, callers), make([]error, callers)
	ended := make(chan struct{})
	every := callers * time.Second / snapshotRate
	start := time.Now()
	for i := range callers {
		all.Go(func() {
			times[i], errs[i] = paced(ctx, addr, i, start.Add(time.Duration(i)*every/callers), every, ended)
		})
	}
	for more() && ctx.Err() == nil {
		time.Sleep(pollEvery)
	}
	close(ended)
	all.Wait()
	took := slices.Concat(times...)
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	if len(took) < 100 {
		return 0, fmt.Errorf("the snapshot took too little time: %d gets were answered meanwhile, want at least 100", len(took))
	}
	slices.Sort(took)
	return float64(took[len(took)*99/100].Nanoseconds()) / 1e3, nil
}

// paced sends a get at each due time on one connection until ended is closed.
func paced(
	ctx context.Context, addr string, key int, due time.Time, every time.Duration, ended <-chan struct{},
) ([]time.Duration, error) {
	c, err := dial(ctx, "http://"+addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var took []time.Duration
	for ; ; key, due = (key+callers)%dataset.Entries, due.Add(every) {
		sent := due
		if wait := time.Until(due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ended:
				return took, nil
			}
			sent = time.Now()
		}
		if _, _, err := c.exchange(ours.get(dataset.Key(key))); err != nil {
			return nil, err
		}
		took = append(took, time.Since(sent))
		select {
		case <-ended:
			return took, nil
		default:
		}
	}
}
