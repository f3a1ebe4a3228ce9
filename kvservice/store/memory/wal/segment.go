package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"key-value/kvservice/store/memory/wal/vfs"
)

// Names of files. Those of segments and snapshots end with the number of the segment.
const (
	segmentPrefix  = "log-"
	snapshotPrefix = "snapshot-"
	spareName      = "spare"
	tempSuffix     = ".tmp"
)

func segmentName(number uint64) string  { return fmt.Sprintf("%s%010d", segmentPrefix, number) }
func snapshotName(number uint64) string { return fmt.Sprintf("%s%010d", snapshotPrefix, number) }

// numberOf returns the number in the name of a segment or snapshot, and reports whether name is one.
func numberOf(name, prefix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil && n > 0 && name == fmt.Sprintf("%s%010d", prefix, n)
}

// segmentHeader is the body of the first frame of a segment.
type segmentHeader struct {
	salt     uint32
	number   uint64
	previous int64  // length of the segment before, in bytes; zero: there is none
	before   uint64 // the last revision before this segment
	first    uint64 // the revision that the first change of this segment has
	epochs   Epochs
}

// append appends the beginning of a segment.
func (h *segmentHeader) append(dst []byte) []byte {
	dst = appendMagic(dst, logMagic)
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(beginFrame(dst), h.salt)
	for _, n := range []uint64{h.number, uint64(h.previous), h.before, h.first} {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	dst = h.epochs.append(dst)
	sealFrame(dst, at, segmentFrame, 0)
	return dst
}

// append appends e in binary.
func (e Epochs) append(dst []byte) []byte {
	for _, epoch := range e {
		dst = binary.LittleEndian.AppendUint64(dst, epoch.ID)
		dst = binary.LittleEndian.AppendUint64(dst, epoch.First)
		dst = binary.LittleEndian.AppendUint64(dst, epoch.Before)
	}
	return dst
}

// epochs reads all that is left as epochs, which must be in order.
func (r *reader) epochs() Epochs {
	var all Epochs
	for len(r.rest) > 0 {
		all = append(all, Epoch{ID: r.uint64(), First: r.uint64(), Before: r.uint64()})
	}
	r.failed = r.failed || !all.ordered()
	return all
}

// parseSegmentHeader parses the beginning of a segment. It returns the bytes that it takes.
func parseSegmentHeader(data []byte) (segmentHeader, int, error) {
	if err := checkMagic(data, logMagic); err != nil {
		return segmentHeader{}, 0, err
	}
	f, body, size, err := parseFrame(data[magicBytes:], 0)
	if err != nil {
		return segmentHeader{}, 0, err
	}
	r := reader{rest: body}
	h := segmentHeader{salt: r.uint32(), number: r.uint64(), previous: int64(r.uint64()), before: r.uint64(), first: r.uint64()}
	h.epochs = r.epochs()
	if f.kind != segmentFrame || r.end() != nil || h.previous < 0 || h.first <= h.before || len(h.epochs) == 0 {
		return h, 0, errBody
	}
	return h, magicBytes + size, nil
}

// segmentFile is a segment that has been read.
type segmentFile struct {
	segmentHeader
	name   string
	data   []byte
	end    int64  // of what reads, in bytes
	synced int64  // of that, what is known to be on disk
	last   uint64 // the last revision; without commits, what comes before the first one
	many   int64  // commits
}

// readSegment reads the segment of fs with this number. Only its header is checked yet.
func readSegment(fs vfs.FS, number uint64) (*segmentFile, error) {
	s := &segmentFile{name: segmentName(number)}
	data, err := readFile(fs, s.name)
	if err != nil {
		return nil, err
	}
	var size int
	s.data = data
	if s.segmentHeader, size, err = parseSegmentHeader(data); err != nil {
		return nil, s.damage(0, err)
	}
	if s.number != number {
		return nil, s.damage(0, fmt.Errorf("it is segment %d by its contents", s.number))
	}
	s.end, s.synced, s.last = int64(size), int64(size), s.first-1
	return s, nil
}

// readFile returns the contents of a file.
func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if int64(n) == size {
		err = nil
	}
	return data[:n], err
}

func (s *segmentFile) damage(offset int64, err error) error {
	if errors.Is(err, ErrNewer) {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return &DamageError{File: s.name, Offset: offset, Reason: err.Error()}
}

// commits calls yield with each commit, and sets end and last to what follows the last one. It fails with the error of yield,
// or with a [*DamageError] at end if something other than zeros follows.
func (s *segmentFile) commits(yield func([]Change) error) error {
	var changes []Change
	for closed := false; ; {
		f, body, size, err := parseFrame(s.data[s.end:], s.salt)
		if err == nil && (closed || f.kind != commitFrame && f.kind != endFrame) {
			err = errBody
		}
		if err == nil && f.kind == commitFrame {
			changes, err = s.commit(changes[:0], body)
		}
		switch {
		case err != nil && isZero(s.data[s.end:]):
			return nil
		case err != nil:
			return s.damage(s.end, err)
		}
		s.synced = min(max(s.synced, f.synced), s.end)
		s.end += int64(size)
		if closed = f.kind == endFrame; closed {
			continue
		}
		s.last = changes[len(changes)-1].Revision
		s.many++
		if err := yield(changes); err != nil {
			return err
		}
	}
}

// lastRevision returns the last revision at the end of the segment.
func (s *segmentFile) lastRevision() uint64 {
	if s.many == 0 {
		return s.before
	}
	return s.last
}

// commit parses a commit, which must follow on from the one before.
func (s *segmentFile) commit(dst []Change, body []byte) ([]Change, error) {
	changes, err := parseCommit(dst, body)
	if err == nil && changes[0].Revision != s.last+1 {
		err = fmt.Errorf("revision %d follows on revision %d", changes[0].Revision, s.last)
	}
	return changes, err
}

// torn reports whether what is after end may be what a crash leaves: no later frame says that it had been synced.
func (s *segmentFile) torn() bool {
	rest := s.data[s.end:]
	for at := 0; ; at++ {
		next := bytes.Index(rest[at:], frameMark[:])
		if next < 0 {
			return true
		}
		at += next
		if f, err := parseHead(rest[at:], s.salt); err == nil && f.synced > s.end {
			return false
		}
	}
}

// isZero reports whether all bytes are zero.
func isZero(data []byte) bool { return len(bytes.TrimLeft(data, "\x00")) == 0 }
