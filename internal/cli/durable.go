package cli

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"key-value/internal/observe"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
)

// fsyncMode is a flag value: always, never, or a bound for what a power cut may take. The zero value is always.
type fsyncMode struct {
	bound time.Duration // or wal.Always or wal.Never
	given bool
}

// Set implements [pflag.Value].
func (m *fsyncMode) Set(text string) error {
	bound, err := parseDuration(text)
	switch {
	case text == "always":
		bound = wal.Always
	case text == "never":
		bound = wal.Never
	case err != nil || bound < time.Millisecond:
		return errors.New("want always, never, or a duration of at least 1ms, such as 1s")
	}
	*m = fsyncMode{bound, true}
	return nil
}

// String implements [pflag.Value].
func (m *fsyncMode) String() string {
	switch m.bound {
	case wal.Always:
		return "always"
	case wal.Never:
		return "never"
	}
	return m.bound.String()
}

// Type implements [pflag.Value].
func (m *fsyncMode) Type() string { return "mode" }

// quickLoad is how long a server that starts waits for its data before it listens. Until larger data is loaded, it answers that
// it is not ready.
const quickLoad = time.Second

// loadPause is the time between two messages about loading.
const loadPause = 5 * time.Second

// loading is an engine that loads its entries from --data-dir. Until it has, its methods fail with [store.ErrLoading].
type loading struct {
	dir    string
	engine atomic.Pointer[memory.Engine] // nil: not loaded yet
	cancel context.CancelFunc
	done   chan struct{} // closed once it is loaded, or that has failed
	failed chan struct{} // closed if loading or the log has failed
	err    error         // why loading failed; set before done is closed
}

var (
	_ store.Engine     = (*loading)(nil)
	_ keystats.Sampler = (*loading)(nil)
)

// load begins to load the engine in --data-dir.
func (e *engineFlags) load(ctx context.Context, s *daemon, options memory.Options) (store.Engine, error) {
	dir, err := openDataDir(e.dataDir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &loading{dir: e.dataDir, cancel: cancel, done: make(chan struct{}), failed: make(chan struct{})}
	s.failed, s.memory.held = l.failed, l.heldBytes
	s.state.Load(0)
	go l.run(ctx, s, func() (*memory.Engine, error) { return e.loadFrom(ctx, s, dir, options) })
	select {
	case <-l.done:
	case <-time.After(quickLoad):
	}
	return l, l.failure()
}

// openDataDir returns the directory at path, which it creates if need be.
func openDataDir(path string) (vfs.FS, error) {
	dir, err := vfs.OpenDir(path)
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	return dir, nil
}

// run loads the engine, and waits for its log to fail.
func (l *loading) run(ctx context.Context, s *daemon, load func() (*memory.Engine, error)) {
	engine, err := load()
	if err != nil {
		l.err = err
		close(l.failed)
		close(l.done)
		return
	}
	l.engine.Store(engine)
	s.state.Loaded()
	close(l.done)
	select {
	case <-engine.Log().Failed():
		close(l.failed)
	case <-ctx.Done():
	}
}

// failure returns why loading has failed, or nil.
func (l *loading) failure() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

// loadFrom loads the engine in dir, and says how that goes.
func (e *engineFlags) loadFrom(ctx context.Context, s *daemon, dir vfs.FS, options memory.Options) (*memory.Engine, error) {
	began, bar, logged := time.Now(), newProgress(s.stderr, "loaded", 0), time.Now()
	engine, err := memory.Open(ctx, dir, options, memory.Durable{
		Fsync: e.fsync.bound, Log: s.log,
		Progress: func(loaded, done, total int64) {
			percent := int(100 * done / max(1, total))
			s.state.Load(percent)
			bar.bytes = total
			bar.show(loaded, done)
			if bar.terminal == nil && time.Since(logged) >= loadPause {
				logged = time.Now()
				s.log.Info("loading", "data_dir", e.dataDir, "percent", percent, "loaded", loaded, "of", inMiB(total))
			}
		},
	})
	bar.clear()
	if err != nil {
		return nil, fmt.Errorf("--data-dir %s: %w", e.dataDir, err)
	}
	found := engine.Log().Recovery()
	if cut := found.Cut; cut.File != "" {
		s.log.Warn("the end of the log was cut off, because a crash had left it incomplete",
			"file", cut.File, "at", cut.Offset, "bytes", cut.Bytes, "copy", cut.Copy)
	}
	s.log.Info("loaded", "data_dir", e.dataDir, "fsync", e.fsync.String(), "durability", engine.Durability(),
		"entries", found.Entries, "commits", found.Commits, "took", time.Since(began).Round(time.Millisecond))
	return engine, nil
}

// loaded returns the engine once it is loaded.
func (l *loading) loaded() (*memory.Engine, error) {
	if e := l.engine.Load(); e != nil {
		return e, nil
	}
	return nil, store.ErrLoading
}

func (l *loading) heldBytes() int64 {
	e, err := l.loaded()
	if err != nil {
		return 0
	}
	return e.HeldBytes()
}

// logStats returns the statistics of the log once it is loaded.
func (l *loading) logStats() (observe.LogStats, bool) {
	e, err := l.loaded()
	if err != nil {
		return observe.LogStats{}, false
	}
	s := e.LogStats()
	return observe.LogStats{
		Unsynced: s.Unsynced, PendingBytes: s.PendingBytes, Bytes: s.LogBytes, DiskBytes: s.DiskBytes, FreeBytes: freeBytes(l.dir),
		Syncs: s.Syncs, SyncTime: s.SyncTime, Snapshots: s.Snapshots, SnapshotFailures: s.SnapshotFailures,
		SnapshotBytes: s.SnapshotBytes, SnapshotTook: s.SnapshotTook, Full: s.Full, Failed: s.Failed,
	}, true
}

// Do implements [store.Engine].
func (l *loading) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	e, err := l.loaded()
	if err != nil {
		return store.Result{}, err
	}
	return e.Do(ctx, op)
}

// Batch implements [store.Engine].
func (l *loading) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	e, err := l.loaded()
	if err != nil {
		return nil, err
	}
	return e.Batch(ctx, ops, atomic)
}

// List implements [store.Engine].
func (l *loading) List(ctx context.Context, req store.ListRequest) (store.Page, error) {
	e, err := l.loaded()
	if err != nil {
		return store.Page{}, err
	}
	return e.List(ctx, req)
}

// DeleteRange implements [store.Engine].
func (l *loading) DeleteRange(ctx context.Context, req store.RangeRequest) (store.RangeResult, error) {
	e, err := l.loaded()
	if err != nil {
		return store.RangeResult{}, err
	}
	return e.DeleteRange(ctx, req)
}

// Watch implements [store.Engine].
func (l *loading) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	e, err := l.loaded()
	if err != nil {
		return nil, err
	}
	return e.Watch(ctx, req)
}

// Stats implements [store.Engine].
func (l *loading) Stats(ctx context.Context) (store.Stats, error) {
	e, err := l.loaded()
	if err != nil {
		return store.Stats{}, err
	}
	return e.Stats(ctx)
}

// Sample implements [keystats.Sampler].
func (l *loading) Sample(ctx context.Context, n int, each func(key string, bytes, weight int64)) error {
	e, err := l.loaded()
	if err != nil {
		return err
	}
	return e.Sample(ctx, n, each)
}

// Close ends loading, or closes the engine. It returns why either has failed.
func (l *loading) Close() error {
	l.cancel()
	<-l.done
	switch e := l.engine.Load(); {
	case e != nil:
		return e.Close()
	case errors.Is(l.err, context.Canceled):
		return nil
	}
	return l.err
}
