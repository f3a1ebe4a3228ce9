package wal

import (
	"strings"
	"time"

	"key-value/kvservice/store/memory/wal/vfs"
)

// file is a segment or a snapshot on disk.
type file struct {
	number uint64
	bytes  int64
}

// disk is what is on disk apart from the current segment.
type disk struct {
	segments []file // ascending
	snapshot file   // the latest one; zero: there is none
	complete time.Time
}

// past returns how many segments at the beginning are only kept for watches that resume.
func (d *disk) past() int {
	n := 0
	for n < len(d.segments) && d.segments[n].number < d.snapshot.number {
		n++
	}
	return n
}

// obsolete returns how many segments at the beginning are not needed, not even by watches that resume from the latest keep
// bytes.
func (d *disk) obsolete(keep int64) int {
	n := d.past()
	for kept := int64(0); n > 0 && kept < keep; n-- {
		kept += d.segments[n-1].bytes
	}
	return n
}

// removeSegments removes the segments that are not needed by the snapshot and the latest keep bytes, oldest first. What
// cannot be removed is left to the next time.
func (l *Log) removeSegments(keep int64) {
	for {
		l.mu.Lock()
		if l.disk.obsolete(keep) == 0 {
			l.mu.Unlock()
			return
		}
		gone := l.disk.segments[0]
		l.disk.segments = l.disk.segments[1:]
		l.retry = time.Time{}
		l.mu.Unlock()
		_ = l.fs.Remove(segmentName(gone.number))
	}
}

// removePast removes the segments that are only kept for watches that resume.
func (l *Log) removePast() { l.removeSegments(0) }

// Stats returns the log's statistics.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Segments: int64(len(l.disk.segments)) + 1, LogBytes: l.tail.size, DiskBytes: l.tail.alloc,
		PendingBytes: l.waiting.Load(), Written: l.written, Synced: l.synced, Syncs: l.syncs, SyncTime: l.syncTime,
		SnapshotBytes: l.disk.snapshot.bytes, SnapshotTime: l.disk.complete, Full: l.full || l.stuck,
	}
	for _, f := range l.disk.segments {
		s.LogBytes += f.bytes
		s.DiskBytes += f.bytes
	}
	s.DiskBytes += s.SnapshotBytes
	if l.spare != nil {
		s.DiskBytes += l.spare.alloc
	}
	if oldest := l.oldest.Load(); oldest != 0 {
		s.Unsynced = l.sinceStart() - time.Duration(oldest)
	}
	return s
}

// inventory is what a directory has.
type inventory struct {
	segments, snapshots []uint64 // ascending
	leftovers           []string // of a crash
}

// survey lists what fs has.
func survey(fs vfs.FS) (inventory, error) {
	names, err := fs.List()
	var found inventory
	for _, name := range names {
		if n, ok := numberOf(name, segmentPrefix); ok {
			found.segments = append(found.segments, n)
		} else if n, ok := numberOf(name, snapshotPrefix); ok {
			found.snapshots = append(found.snapshots, n)
		} else if name == spareName || strings.HasPrefix(name, snapshotPrefix) && strings.HasSuffix(name, tempSuffix) {
			found.leftovers = append(found.leftovers, name)
		}
	}
	return found, err
}

// latest returns the number of the latest snapshot, or zero.
func (i inventory) latest() uint64 {
	if len(i.snapshots) == 0 {
		return 0
	}
	return i.snapshots[len(i.snapshots)-1]
}

// chain returns the segments that a restart reads, and how many of them, at the beginning, only watches need. It leaves out
// what precedes a gap in these: a crash while they were removed makes one.
func (i inventory) chain() (segments []uint64, past int) {
	to := 0
	for to < len(i.segments) && i.segments[to] < i.latest() {
		to++
	}
	from := to
	for from > 0 && i.segments[from-1]+uint64(to-from+1) == i.latest() {
		from--
	}
	return i.segments[from:], to - from
}
