package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A file begins with a magic number, which has the version of the format, and consists of frames from there. A frame is a
// head and a body. The head, in little endian:
//
//	0   3 bytes that begin each frame
//	3   the type of the frame
//	4   the length of the body, in bytes
//	8   how much of the file had been synced when the frame was written, in bytes; zero: the frame does not say
//	16  CRC32C of the body
//	20  CRC32C of the bytes before, which begins with the salt of the file
//
// The first frame has the salt. Callers do not know it, so values cannot have what looks like a frame.
const (
	magicBytes = 8
	headBytes  = 24
	maxBody    = 1<<31 - 1
)

// formatVersion is the version of the format that is written. Older ones are read.
const formatVersion = 1

// The beginnings of files.
const (
	logMagic      = "kv log"
	snapshotMagic = "kv dat"
)

// frameType is the type of a frame. The numbers are part of the format.
type frameType byte

const (
	segmentFrame  frameType = 1 // begins a segment
	commitFrame   frameType = 2
	endFrame      frameType = 3 // ends a log that was closed
	snapshotFrame frameType = 4 // begins a snapshot
	blockFrame    frameType = 5 // has entries
	trailerFrame  frameType = 6 // ends a snapshot
)

var (
	frameMark  = [3]byte{0xf5, 'k', 'v'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// frame is the head of a frame.
type frame struct {
	kind   frameType
	length int
	synced int64
	body   uint32 // its CRC32C
}

// appendMagic appends the beginning of a file.
func appendMagic(dst []byte, magic string) []byte {
	return binary.LittleEndian.AppendUint16(append(dst, magic...), formatVersion)
}

// checkMagic returns an error unless data begins a file of this kind in a format that can be read.
func checkMagic(data []byte, magic string) error {
	if len(data) < magicBytes || string(data[:len(magic)]) != magic {
		return fmt.Errorf("it does not begin with %q", magic)
	}
	switch v := binary.LittleEndian.Uint16(data[len(magic):]); {
	case v == 0:
		return errors.New("it has version 0, which does not exist")
	case v > formatVersion:
		return fmt.Errorf("%w: it has version %d, and this program reads up to %d", ErrNewer, v, formatVersion)
	}
	return nil
}

// beginFrame appends room for a head, for sealFrame to fill in.
func beginFrame(dst []byte) []byte { return append(dst, make([]byte, headBytes)...) }

// sealFrame fills in the head of the frame that begins at byte at of buf and ends with it.
func sealFrame(buf []byte, at int, kind frameType, salt uint32) {
	head, body := buf[at:at+headBytes], buf[at+headBytes:]
	copy(head, frameMark[:])
	head[3] = byte(kind)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(body)))
	binary.LittleEndian.PutUint32(head[16:], crc32.Checksum(body, castagnoli))
	claimSynced(head, salt, 0)
}

// claimSynced makes the frame that buf begins with say how much of its file has been synced.
func claimSynced(buf []byte, salt uint32, synced int64) {
	binary.LittleEndian.PutUint64(buf[8:], uint64(synced))
	binary.LittleEndian.PutUint32(buf[20:], headSum(buf, salt))
}

// headSum returns the CRC32C of a head.
func headSum(head []byte, salt uint32) uint32 {
	return crc32.Update(salt, castagnoli, head[:20])
}

var errNoFrame = errors.New("no frame begins there")

// parseHead parses the head that data begins with.
func parseHead(data []byte, salt uint32) (frame, error) {
	if len(data) < headBytes || [3]byte(data) != frameMark {
		return frame{}, errNoFrame
	}
	f := frame{
		kind:   frameType(data[3]),
		length: int(binary.LittleEndian.Uint32(data[4:])),
		synced: int64(binary.LittleEndian.Uint64(data[8:])),
		body:   binary.LittleEndian.Uint32(data[16:]),
	}
	if binary.LittleEndian.Uint32(data[20:]) != headSum(data, salt) {
		return frame{}, errors.New("the checksum of a frame's head is wrong")
	}
	if f.length > maxBody || f.synced < 0 {
		return frame{}, errors.New("the head of a frame has an impossible size")
	}
	return f, nil
}

// check returns an error unless body is that of the frame.
func (f frame) check(body []byte) error {
	if crc32.Checksum(body, castagnoli) != f.body {
		return errors.New("the checksum of a frame is wrong")
	}
	return nil
}

// parseFrame parses the frame that data begins with. It returns the bytes that it takes.
func parseFrame(data []byte, salt uint32) (frame, []byte, int, error) {
	f, err := parseHead(data, salt)
	if err != nil {
		return f, nil, 0, err
	}
	if f.length > len(data)-headBytes {
		return f, nil, 0, errors.New("a frame ends after the end of the file")
	}
	size := headBytes + f.length
	body := data[headBytes:size:size]
	return f, body, size, f.check(body)
}
