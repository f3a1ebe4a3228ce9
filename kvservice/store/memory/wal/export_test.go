package wal

import (
	"time"

	"key-value/kvservice/store/memory/wal/vfs"
)

// OpenStill is Open without goroutines: nothing is written or synced except in steps, and the time is
// what now says.
func OpenStill(fs vfs.FS, o Options, loader Loader, now func() time.Time) (*Log, error) {
	return open(fs, o, loader, now)
}

// Step writes what has been appended, and syncs it if nothing else may be told.
func (l *Log) Step() error { return l.writer.step() }

// SyncStep syncs what has been written.
func (l *Log) SyncStep() error {
	err := l.writer.sync()
	if err != nil {
		l.fail(err)
	}
	return err
}

// Ready reports whether the segment that follows on the snapshot is on disk.
func (s *Snapshot) Ready() bool {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.writer.current.number >= s.number
}

// Bugs are mistakes that the crash test must notice. Each is put into a log before it is used, or into a snapshot.
var Bugs = map[string]struct {
	Log func(*Log)
	Cut func(*Log, *Snapshot)
}{
	"told before it is synced": {Log: func(l *Log) { l.options.Fsync = Never }},
	"the segment is cut where the file ends": {Cut: func(l *Log, s *Snapshot) {
		before := l.writer.current
		h, _, _ := parseSegmentHeader(l.tail.header)
		h.previous = before.done
		l.tail.header = h.append(nil)
	}},
	"the snapshot is of what has been synced": {Cut: func(l *Log, s *Snapshot) { s.revision = l.synced }},
}

// WithFrame returns file up to the end of its first frame, and then a frame with this body and right checksums.
func WithFrame(file []byte, kind byte, body []byte) []byte {
	_, first, size, _ := parseFrame(file[magicBytes:], 0)
	r := reader{rest: first}
	salt := r.uint32()
	out := append(file[:magicBytes+size:magicBytes+size], make([]byte, headBytes)...)
	out = append(out, body...)
	sealFrame(out, magicBytes+size, frameType(kind), salt)
	return out
}
