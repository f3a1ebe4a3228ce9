package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"key-value/kvservice/store/memory/wal/vfs"
)

// salvage replaces a snapshot by one with the entries that read.
func (c *checker) salvage(number uint64) error {
	name := snapshotName(number)
	data, err := readFile(c.fs, name)
	if err != nil {
		return err
	}
	t := trailer{number: number}
	if s, err := readSegment(c.fs, number); err == nil {
		t.revision, t.epochs = s.before, s.epochs
	}
	var entries []Change
	kept, err := salvageFrames(data, &t, &entries)
	if err != nil {
		return err
	}
	c.report.Lost += int64(len(data)) - kept
	if t.number = number; len(t.epochs) == 0 {
		return errors.New("nothing tells its revision")
	}
	if err := c.setAside(name); err != nil {
		return err
	}
	return writeSnapshot(c.fs, name, t, entries)
}

// salvageFrames appends the entries of all blocks of a snapshot that read, and sets t if its trailer does. It returns how many
// bytes do.
func salvageFrames(data []byte, t *trailer, entries *[]Change) (int64, error) {
	d := &decoder{}
	kept, begin := int64(0), 0
	if len(data) > magicBytes {
		begin = magicBytes
		_, body, size, err := parseFrame(data[begin:], 0)
		r := reader{rest: body}
		if d.salt = r.uint32(); err == nil && !r.failed {
			begin += size
			kept = int64(begin)
		} else {
			d.salt = saltOf(data)
		}
	}
	for at := begin; at < len(data); {
		f, body, size, err := parseFrame(data[at:], d.salt)
		if err != nil {
			at++
			continue
		}
		var block []Change
		if f.kind == blockFrame && d.block(body, func(c Change) error { block = append(block, c); return nil }) == nil {
			*entries = append(*entries, block...)
			kept += int64(size)
		}
		if end, err := parseTrailer(body); f.kind == trailerFrame && err == nil {
			*t = end
			kept += int64(size)
		}
		at += size
	}
	return kept, nil
}

// saltOf returns the salt of a snapshot whose first frame does not read: the one with which frames of most bytes read. What looks
// like a frame in a value is passed over with the frame around it.
func saltOf(data []byte) uint32 {
	read := map[uint32]int{} // :: salt → bytes of the frames that have it
	most := uint32(0)
	for {
		next := bytes.Index(data, frameMark[:])
		if next < 0 || len(data)-next < headBytes {
			return most
		}
		data = data[next:]
		salt := saltBefore(binary.LittleEndian.Uint32(data[20:]), data[:20])
		_, _, size, err := parseFrame(data, salt)
		if err != nil {
			data = data[1:]
			continue
		}
		if read[salt] += size; read[salt] > read[most] {
			most = salt
		}
		data = data[size:]
	}
}

// saltBefore returns the salt from which the CRC32C of data becomes sum.
func saltBefore(sum uint32, data []byte) uint32 {
	sum = ^sum
	for _, b := range slices.Backward(data) {
		i := slices.IndexFunc(castagnoli[:], func(entry uint32) bool { return entry>>24 == sum>>24 })
		sum = (sum^castagnoli[i])<<8 | uint32(byte(i)^b)
	}
	return ^sum
}

// writeSnapshot writes a snapshot, and returns once it is on disk.
func writeSnapshot(fs vfs.FS, name string, t trailer, entries []Change) error {
	f, err := fs.Create(name + tempSuffix)
	if err != nil {
		return err
	}
	e := newEncoder(&fileWriter{file: f})
	for i := range entries {
		if err == nil {
			err = e.add(&entries[i])
		}
	}
	if err == nil {
		err = inOrder(
			func() error { return e.finish(t) },
			f.Sync,
			func() error { return fs.Rename(name+tempSuffix, name) },
			fs.SyncDir,
		)
	}
	return errors.Join(err, f.Close())
}
