package memory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"key-value/kvservice/store"
	"key-value/kvservice/store/clock"
	"key-value/kvservice/store/memory/tree"
	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
)

// Durable configures how the entries of an engine last. The zero value is a good default.
type Durable struct {
	// Fsync says what must be on disk before it is told: [wal.Always], [wal.Never], or a bound for what a crash of the
	// machine may take.
	Fsync time.Duration
	// Log gets what an operator should know. Nil: nobody does.
	Log *slog.Logger
	// Progress is called now and then while the engine loads, with the entries and changes that it has, and how many of how
	// many bytes they took. Nil: it is not.
	Progress func(loaded, done, total int64)
	// Sizes configures the sizes of files, for tests. Only its sizes are used.
	Sizes wal.Options
}

// Open loads the engine whose log is in fs, and begins a new epoch of it. It fails with the error of ctx, or one of [wal.Open].
func Open(ctx context.Context, fs vfs.FS, options Options, durable Durable) (*Engine, error) {
	if durable.Log == nil {
		durable.Log = slog.New(slog.DiscardHandler)
	}
	e := newEngine(options)
	e.durable = durable
	settings := durable.Sizes
	settings.Fsync, settings.HistoryBytes = durable.Fsync, options.History()
	settings.Revision = uint64(max(0, time.Now().UnixNano()))
	load := &loader{ctx: ctx, engine: e, at: e.clock.Read(), progress: durable.Progress}
	var err error
	if e.log, err = wal.Open(fs, settings, load); err != nil {
		return nil, err
	}
	e.reach.Store(e.log.Recovery().Last)
	e.begin(e.log.Recovery().Epochs, load.past[load.dropped:])
	e.workers.Go(e.snapshotWhenDue)
	return e, nil
}

// Log returns the engine's log, or nil if it has none.
func (e *Engine) Log() *wal.Log { return e.log }

// Durability says what a crash takes, in words.
func (e *Engine) Durability() string {
	switch {
	case e.log == nil:
		return "all entries are lost when the process ends"
	case e.durable.Fsync == wal.Always:
		return "no acknowledged write is lost, even in a power cut"
	case e.durable.Fsync == wal.Never:
		return "no acknowledged write is lost if the process is killed; a power cut takes what the kernel has not written"
	}
	return fmt.Sprintf("no acknowledged write is lost if the process is killed; a power cut takes at most the last %v", e.durable.Fsync)
}

// unsettled is the reach of an engine while a writer may be changing entries.
const unsettled = math.MaxUint64

// lock takes the lock of writers.
func (e *Engine) lock() {
	e.mu.Lock()
	if e.log != nil {
		e.reach.Store(unsettled)
	}
}

// unlock releases what lock took, and returns the latest revision.
func (e *Engine) unlock() uint64 {
	revision := e.revision
	if e.log != nil {
		e.reach.Store(revision)
	}
	e.mu.Unlock()
	return revision
}

// latest returns a revision that is not before any that the caller has read. It takes the lock only while a writer has it.
func (e *Engine) latest() uint64 {
	if revision := e.reach.Load(); revision != unsettled {
		return revision
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.revision
}

// seenBy returns the revision that the result of a get depends on: that of its entry, or any that may have removed it.
func (e *Engine) seenBy(result store.Result) uint64 {
	switch {
	case e.log == nil:
		return 0
	case result.Entry.Key != "":
		return result.Entry.Version.Revision
	}
	return e.latest()
}

// tell waits until a result that depends on the changes up to seen may be told. Wrote says whether the call may have made one
// of them. The caller must not hold the lock.
func (e *Engine) tell(ctx context.Context, seen uint64, wrote bool) error {
	if seen <= e.log.Told() {
		return nil
	}
	defer store.Pause(ctx)()
	err := e.log.Wait(ctx, seen)
	if wrote && (errors.Is(err, wal.ErrFailed) || errors.Is(err, wal.ErrClosed)) {
		return fmt.Errorf("%w: %w", store.ErrUnknownOutcome, err)
	}
	return logError(err)
}

// admit waits while the log is too far behind for another write.
func (e *Engine) admit(ctx context.Context) error {
	if e.log == nil {
		return nil
	}
	if e.log.Behind() {
		defer store.Pause(ctx)()
	}
	return logError(e.log.Admit(ctx))
}

// readyLocked returns an error if no change of ops can be made now. The error depends on no change, so it is told at once.
func (e *Engine) readyLocked(ops ...store.Operation) error {
	switch {
	case e.closed:
		return store.ErrClosed
	case e.log == nil:
		return nil
	}
	return e.roomLocked(ops...)
}

// roomLocked makes sure that the log has room for ops.
func (e *Engine) roomLocked(ops ...store.Operation) error {
	changes, payload, removal := 0, 0, true
	for _, op := range ops {
		if op.Kind == store.Get {
			continue
		}
		changes, payload = changes+1, payload+len(op.Key)+len(op.Value)
		if op.Kind == store.Increment {
			payload += maxInteger
		}
		removal = removal && op.Kind == store.Delete
	}
	if changes == 0 {
		return nil
	}
	return logError(e.log.Reserve(changes, payload, removal))
}

// maxInteger is the length of the longest integer in decimal, in bytes.
const maxInteger = 20

// removalRoomLocked makes sure that the log has room for the removal of found.
func (e *Engine) removalRoomLocked(found []*tree.Entry) error {
	if len(found) == 0 {
		return nil
	}
	payload := 0
	for _, entry := range found {
		payload += len(entry.Key())
	}
	return logError(e.log.Reserve(len(found), payload, true))
}

// logError returns err, an error of the log, as one of the engine. Nothing was changed.
func logError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wal.ErrBehind):
		return store.ErrBehind
	case errors.Is(err, wal.ErrFull):
		return store.ErrDiskFull
	case errors.Is(err, wal.ErrClosed):
		return store.ErrClosed
	case errors.Is(err, wal.ErrFailed):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// appendLocked appends the recorded changes to the log.
func (e *Engine) appendLocked() {
	at := e.clock.Read()
	for _, change := range e.changes {
		e.logged = append(e.logged, logged(change, at))
	}
	e.log.Append(e.logged)
	clear(e.logged)
	e.logged = e.logged[:0]
}

// kinds are the kinds of changes in the log.
var kinds = map[store.EventType]wal.Kind{
	store.Put: wal.Put, store.Touched: wal.Touch, store.Deleted: wal.Delete, store.Expired: wal.Expire, store.Evicted: wal.Evict,
}

// logged returns change in the form of the log, with times as the wall clock shows them.
func logged(change *tree.Entry, at clock.Reading) wal.Change {
	c := wal.Change{Kind: kinds[change.Kind()], Revision: change.Revision, Updated: at.Unix(change.Updated), Key: change.Key()}
	if change.Deadline != tree.Never {
		c.Deadline = at.Unix(change.Deadline)
	}
	if c.Kind == wal.Put {
		c.Value = change.Value()
	}
	return c
}
