// Package fanout measures how fast changes reach watches.
//
// One writer writes one key, and watches follow it over gRPC, each on a stream of its own. The writer stays only a few
// writes ahead of the watches, so that the rate is one that the server can sustain.
package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"key-value/test/bench/load"
)

const (
	// ahead is how many writes the writer may be ahead of the watches, on average.
	ahead = 64
	// perConn is how many watches share a connection: the store accepts at most 100 streams on one.
	perConn = 100
	// patience is how long all watches may take to start, and how long they may then be idle.
	patience = 60 * time.Second
)

// Test says what to measure.
type Test struct {
	Addr      string
	Watches   int
	Procedure string // the RPC that watches
	Request   []byte // its first message
	Bidi      bool   // whether requests are a stream, which is then left open
	// Events returns the number of changes in a message, and whether it says that the watch has started.
	Events func(message []byte) (n int, ready bool)
	// Begin is called when all watches have started.
	Begin func()
	// Write makes one change.
	Write func(ctx context.Context) error
}

// run is a measurement in progress.
type run struct {
	Test
	ready, events atomic.Int64
	written       int64 // used only by the writer
}

// Measure returns how many events all watches together receive.
func Measure(ctx context.Context, test Test, d time.Duration) (load.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &run{Test: test}
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel(nil)
	for left := test.Watches; left > 0; left -= perConn {
		c, err := r.open(min(left, perConn))
		if err != nil {
			return load.Result{}, err
		}
		context.AfterFunc(ctx, func() { _ = c.net.Close() })
		readers.Go(func() { cancel(c.read()) })
	}
	if err := r.await(ctx, func() bool { return r.ready.Load() >= int64(test.Watches) }); err != nil {
		return load.Result{}, fmt.Errorf("start %d watches, have %d: %w", test.Watches, r.ready.Load(), err)
	}
	test.Begin()
	return r.measure(ctx, d)
}

func (r *run) open(watches int) (*conn, error) {
	c, err := dial(r.Addr, !r.Bidi, r.received)
	if err != nil {
		return nil, err
	}
	for range watches {
		if err := c.watch(r.Procedure, r.Request); err != nil {
			return nil, errors.Join(err, c.net.Close())
		}
	}
	return c, nil
}

func (r *run) received(message []byte) {
	n, ready := r.Events(message)
	if ready {
		r.ready.Add(1)
	}
	r.events.Add(int64(n))
}

func (r *run) measure(ctx context.Context, d time.Duration) (load.Result, error) {
	start := time.Now()
	for time.Since(start) < d {
		err := r.await(ctx, func() bool { return r.events.Load() >= (r.written-ahead)*int64(r.Watches) })
		if err != nil {
			return load.Result{}, fmt.Errorf("receive: %w", err)
		}
		if err := r.Write(ctx); err != nil {
			return load.Result{}, fmt.Errorf("write: %w", err)
		}
		r.written++
	}
	events := float64(r.events.Load())
	return load.Result{PerSecond: events / time.Since(start).Seconds(), Count: events}, nil
}

// await waits for done.
func (r *run) await(ctx context.Context, done func() bool) error {
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			return fmt.Errorf("no event within %v", patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Microsecond):
		}
	}
	return nil
}
