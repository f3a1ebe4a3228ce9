package wal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"slices"
)

// begin begins a segment and an epoch after what was loaded.
func (l *Log) begin(r *recoverer) error {
	l.recovery, l.disk = r.result, r.disk
	last := l.recovery.Last
	l.recovery.First = max(last+1, l.options.Revision)
	h := segmentHeader{number: 1, before: last, first: l.recovery.First}
	if s := r.tail; s != nil && s.many == 0 { // a start without a commit leaves no segment
		h.number, h.previous = s.number, s.previous
		l.disk.segments = l.disk.segments[:len(l.disk.segments)-1]
	} else if s != nil {
		h.number, h.previous = s.number+1, s.end
	}
	epoch := Epoch{ID: cmp.Or(l.options.Epoch, newEpoch()), First: h.first, Before: last}
	l.recovery.Epochs = append(l.recovery.Epochs.pruned(last), epoch)
	h.epochs = l.recovery.Epochs
	if err := l.fs.SyncDir(); err != nil { // a process that was killed may not have done so, and what follows relies on its names
		return err
	}
	for _, name := range r.leftovers() {
		if err := l.fs.Remove(name); err != nil {
			return err
		}
	}
	l.progress.limit = max(l.options.SnapshotBytes, l.disk.snapshot.bytes)
	for _, f := range l.disk.segments[l.disk.past():] {
		l.grewLocked(max(f.bytes, l.options.SnapshotBytes/64)) // so that there are not too many small ones
	}
	l.last, l.written, l.synced = last, last, last
	l.told.Store(last)
	return l.beginSegment(&h)
}

// leftovers returns the names of files that are not needed.
func (r *recoverer) leftovers() []string {
	names := r.found.leftovers
	for _, n := range r.found.snapshots {
		if n != r.found.latest() {
			names = append(names, snapshotName(n))
		}
	}
	segments, _ := r.found.chain()
	for _, n := range r.found.segments[:len(r.found.segments)-len(segments)] {
		names = append(names, segmentName(n))
	}
	return names
}

// beginSegment creates the first segment of this start.
func (l *Log) beginSegment(h *segmentHeader) error {
	s, err := l.newSegment()
	l.noteRoomLocked(err)
	if err != nil && !l.full {
		return err
	}
	h.salt, s.number = s.salt, h.number
	header := h.append(nil)
	if _, err := s.file.WriteAt(header, 0); err != nil {
		return err
	}
	s.size, s.done, s.synced = int64(len(header)), int64(len(header)), int64(len(header))
	s.alloc = max(s.alloc, s.size)
	l.tail, l.writer.current = s, s
	return inOrder(s.file.Sync, func() error { return l.publishSegment(s) })
}

// publishSegment gives the spare, which is s, its name. Its header must be on disk.
func (l *Log) publishSegment(s *segment) error {
	if err := l.fs.Rename(spareName, segmentName(s.number)); err != nil {
		return err
	}
	return l.fs.SyncDir()
}

// maxEpochs is how many epochs are kept if some have not written anything.
const maxEpochs = 256

// pruned returns the epochs to keep: all, or if there are too many only those that have written something. Last is the last
// revision.
func (e Epochs) pruned(last uint64) Epochs {
	if len(e) < maxEpochs {
		return slices.Clone(e)
	}
	var kept Epochs
	for i, epoch := range e {
		if epoch.First <= min(last, e.last(i)) {
			kept = append(kept, epoch)
		}
	}
	return kept
}

// newEpoch returns 63 random bits, not all zero.
func newEpoch() uint64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		if id := binary.LittleEndian.Uint64(b[:]) >> 1; id != 0 {
			return id
		}
	}
}
