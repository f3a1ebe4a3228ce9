package wal

import (
	"errors"

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
	if len(data) < magicBytes {
		return 0, errShort
	}
	_, body, size, err := parseFrame(data[magicBytes:], 0)
	r := reader{rest: body}
	if d.salt = r.uint32(); err != nil || r.failed {
		return 0, errors.New("its beginning does not read")
	}
	kept := int64(magicBytes + size)
	for at := magicBytes + size; at < len(data); {
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
