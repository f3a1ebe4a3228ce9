package wal

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Values of [Options.Fsync] other than a bound.
const (
	Always time.Duration = 0  // sync before telling
	Never  time.Duration = -1 // tell once the kernel has it
)

// Options configure a log. The zero value is a good default.
type Options struct {
	// Fsync says what must be on disk before a revision may be told: [Always], [Never], or a bound. With a bound, a revision
	// may be told once the kernel has it, unless the oldest commit that is not synced is older than the bound: a crash of
	// the machine takes back at most what was told within one such time.
	Fsync time.Duration
	// Patience is how long Admit waits for a log that is behind. Zero: 5 s.
	Patience time.Duration
	// HistoryBytes is how many bytes of changes to keep at least for watches that resume after a restart. Zero: 8 MiB.
	HistoryBytes int64
	// SegmentBytes is the size from which a segment is followed by the next. Zero: 32 MiB.
	SegmentBytes int64
	// SnapshotBytes is how long the log since the latest snapshot may be before a snapshot is due, unless that snapshot is
	// larger: then that is the limit. Zero: 64 MiB.
	SnapshotBytes int64
	// Epoch is the ID of the epoch that begins. Zero: random.
	Epoch uint64
	// Revision is the least revision of the first change, such as the wall clock's time. It leaves a gap after the last
	// revision that was found if that is less. Zero: no gap.
	Revision uint64
}

// The errors of a log. Compare with errors.Is.
var (
	// ErrBehind: the disk is slower than writes for longer than [Options.Patience]. Nothing was appended.
	ErrBehind = errors.New("log is behind: the disk is slower than the writes")
	// ErrFull: the file system has no room for the change. Nothing was appended.
	ErrFull = errors.New("no room on disk for the log")
	// ErrFailed: a write or a sync has failed. Nothing will be acknowledged any more.
	ErrFailed = errors.New("log has failed")
	// ErrClosed: the log is closed.
	ErrClosed = errors.New("log is closed")
	// ErrNewer: the directory was written in a newer format than this program reads.
	ErrNewer = errors.New("format is newer than this program")
)

// DamageError reports a file that is damaged in a way that no crash causes.
type DamageError struct {
	File   string // its name in the directory
	Offset int64  // of what does not read, in bytes
	Reason string // what was found
}

// Error describes the damage, and what to do.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s; run kv check on the directory, or restore a backup; "+
		"kv check --fix cuts what does not read, and keeps a copy of it", e.File, e.Offset, e.Reason)
}

// Loader receives what [Open] finds. Keys and values that it is given share one buffer for many of them: it must copy what
// it keeps.
type Loader interface {
	// Entry receives the next entry of the snapshot, in ascending byte order of the keys.
	Entry(c Change) error
	// Commit receives the changes of the next commit, in ascending order of revisions, after all entries. If past, the
	// entries that were loaded have the changes in effect already, and they are only of use to watches that resume.
	Commit(changes []Change, past bool) error
	// Progress receives how many of how many bytes have been loaded, now and then.
	Progress(done, total int64)
}

// Recovery is what [Open] has found.
type Recovery struct {
	Last    uint64 // the last revision; zero: there was none
	First   uint64 // the revision that the first change must have
	Epochs  Epochs // with the one that begins
	Entries int64  // loaded from the snapshot
	Commits int64  // loaded from the log, without past ones
	Cut     Cut    // what was cut from the end of the log
}

// Cut is what was cut from the end of a file.
type Cut struct {
	File   string // the file; empty: nothing was cut
	Offset int64  // where it was cut, in bytes
	Bytes  int64  // how much was cut
	Copy   string // the file that has what was cut
}

// Stats describe a log.
type Stats struct {
	Segments      int64         // files of the log
	LogBytes      int64         // their size, without what is preallocated
	DiskBytes     int64         // of segments and snapshots, with what is preallocated
	PendingBytes  int64         // appended, not yet handed to the kernel
	Unsynced      time.Duration // age of the oldest commit that is not synced; zero: there is none
	Written       uint64        // the last revision that the kernel has
	Synced        uint64        // the last revision that is on disk
	Syncs         int64         // of the log since it was opened
	SyncTime      time.Duration // that these took
	SnapshotBytes int64         // size of the latest snapshot
	SnapshotTime  time.Time     // when it was complete; zero: there is none
	Full          bool          // the last attempt to get room failed
}

// maxPending is how many bytes may wait to be written before writes wait as well.
const maxPending = 64 << 20

// withDefaults returns o with defaults for what is zero.
func (o Options) withDefaults() Options {
	o.Patience = cmp.Or(o.Patience, 5*time.Second)
	o.HistoryBytes = cmp.Or(o.HistoryBytes, 8<<20)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 32<<20)
	o.SnapshotBytes = cmp.Or(o.SnapshotBytes, 64<<20)
	return o
}

// chunk returns how much is allocated at a time, in bytes.
func (o Options) chunk() int64 { return o.SegmentBytes / 4 }

// reserve returns how much room is kept for removals, in bytes.
func (o Options) reserve() int64 { return o.chunk() / 4 }
