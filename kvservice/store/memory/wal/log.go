package wal

import (
	"context"
	"sync/atomic"

	"key-value/kvservice/store/memory/wal/vfs"
)

// Log is an open log. Create one with [Open].
type Log struct {
	recovery Recovery
	told     atomic.Uint64
	due      chan struct{}
	failed   chan struct{}
}

// Open locks the directory of fs, loads what it holds, cuts what a crash left at the end of the log, and begins a new
// segment and a new epoch. It fails with a [*DamageError] if anything else does not read, and with [vfs.ErrLocked] if
// another process has the directory.
func Open(fs vfs.FS, options Options, loader Loader) (*Log, error) {
	first := max(1, options.Revision)
	l := &Log{due: make(chan struct{}, 1), failed: make(chan struct{})}
	l.recovery = Recovery{First: first, Epochs: Epochs{{ID: options.Epoch, First: first}}}
	return l, nil
}

// Recovery returns what Open has found.
func (l *Log) Recovery() Recovery { return l.recovery }

// Admit waits while the log is too far behind for another write. It fails with [ErrBehind] after [Options.Patience], with
// [ErrFailed], or with the error of ctx. The caller must not hold the lock that orders writers.
func (l *Log) Admit(ctx context.Context) error { return nil }

// Reserve makes sure that there is room on disk for a commit of so many changes, whose keys and values have payload bytes
// together. It fails with [ErrFull], soon, and succeeds again once there is room. Removals may use room that is kept for
// them. The caller must hold the lock that orders writers until it has appended the commit.
func (l *Log) Reserve(changes, payload int, removal bool) error { return nil }

// Append appends a commit, of which all changes survive a crash or none. Their revisions must follow on from each other and
// from the last commit. It copies the changes and never waits for the disk. The caller must hold the lock that orders
// writers.
func (l *Log) Append(changes []Change) { l.told.Store(changes[len(changes)-1].Revision) }

// Told returns the last revision that may be told, without waiting.
func (l *Log) Told() uint64 { return l.told.Load() }

// Wait waits until revision may be told. It fails with [ErrFailed] or [ErrClosed], or with the error of ctx: then the change
// may or may not survive a crash.
func (l *Log) Wait(ctx context.Context, revision uint64) error { return nil }

// SnapshotDue receives a value when a snapshot is due.
func (l *Log) SnapshotDue() <-chan struct{} { return l.due }

// Cut begins a snapshot of all entries as they are after the last commit that was appended, and a new segment for those
// that follow. It fails with [ErrFull], or if another snapshot is being written; then nothing has changed. The caller must
// hold the lock that orders writers, and get hold of the entries before it gives the lock back.
func (l *Log) Cut() (*Snapshot, error) { return &Snapshot{}, nil }

// Failed is closed when a write or a sync has failed: nothing is acknowledged any more, and the process should end.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err returns why the log has failed, or nil.
func (l *Log) Err() error { return nil }

// Stats returns the log's statistics.
func (l *Log) Stats() Stats { return Stats{} }

// Close writes and syncs what was appended, and unlocks the directory. No other method may be called meanwhile, except for
// Wait and Told.
func (l *Log) Close() error { return nil }

// Snapshot is a snapshot being written. It ends with Commit or Discard. One goroutine at a time may use it.
type Snapshot struct{}

// Add adds an entry. Keys must ascend.
func (s *Snapshot) Add(entry Change) error { return nil }

// Commit completes the snapshot, and deletes files that are not needed any more.
func (s *Snapshot) Commit(ctx context.Context) error { return nil }

// Discard removes an incomplete snapshot. The next one is due once the log has grown again.
func (s *Snapshot) Discard() {}
