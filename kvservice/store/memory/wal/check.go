package wal

import (
	"errors"
	"fmt"

	"key-value/kvservice/store/memory/wal/vfs"
)

// Report is what [Check] has found.
type Report struct {
	Files   int            // segments and snapshots
	Bytes   int64          // that they have
	Entries int64          // in the snapshot
	Commits int64          // in the segments that follow
	Last    uint64         // the last revision
	Damage  []*DamageError // what does not read; after a fix, what did not
	Torn    Cut            // what a crash left at the end of the log, and a start would cut
	Cuts    []Cut          // what a fix has cut
	Lost    int64          // bytes of the snapshot that a fix could not keep; their number of entries is unknown
}

// nothing is a loader that only reads.
type nothing struct{}

func (nothing) Entry(Change) error          { return nil }
func (nothing) Commit([]Change, bool) error { return nil }
func (nothing) Progress(int64, int64)       {}

// Check reads all of a directory that no process uses. If fix, it cuts what does not read, so that the log can be opened,
// and keeps a copy of it: what is damaged, and what follows on it in the log. It fails with [vfs.ErrLocked] or [ErrNewer], or
// if it cannot fix something.
func Check(fs vfs.FS, fix bool) (Report, error) {
	unlock, err := fs.Lock()
	if err != nil {
		return Report{}, err
	}
	c := &checker{fs: fs}
	if fix {
		err = c.fix()
	} else {
		err = c.check()
	}
	return c.report, errors.Join(err, unlock.Close())
}

// checker reads a directory, and repairs it.
type checker struct {
	fs     vfs.FS
	report Report
}

// check reads each file, and then all together.
func (c *checker) check() error {
	found, err := survey(c.fs)
	if err != nil {
		return err
	}
	for _, n := range found.snapshots {
		r := &recoverer{fs: c.fs, loader: nothing{}}
		if err := c.note(r.loadSnapshot(n)); err != nil {
			return err
		}
	}
	for _, n := range found.segments {
		if err := c.note(c.checkSegment(n, n == found.segments[len(found.segments)-1])); err != nil {
			return err
		}
	}
	r, err := c.load()
	c.count(r)
	switch {
	case err == nil && r.tail != nil:
		c.report.Torn = r.tail.rest()
	case len(c.report.Damage) == 0:
		return c.note(err)
	case !errors.As(err, new(*DamageError)): // damage that reading files one by one has found
		return err
	}
	return nil
}

// note adds err to the report if it is damage, and otherwise returns it.
func (c *checker) note(err error) error {
	var damage *DamageError
	if errors.As(err, &damage) {
		c.report.Damage = append(c.report.Damage, damage)
		return nil
	}
	return err
}

// checkSegment reads a segment by itself.
func (c *checker) checkSegment(number uint64, last bool) error {
	s, err := readSegment(c.fs, number)
	if err != nil {
		return err
	}
	err = s.commits(func([]Change) error { return nil })
	if last && err != nil && s.torn() {
		return nil
	}
	return err
}

// load reads everything as a start does, but changes nothing.
func (c *checker) load() (*recoverer, error) {
	r := &recoverer{fs: c.fs, loader: nothing{}}
	return r, r.read()
}

// count adds what was loaded to the report.
func (c *checker) count(r *recoverer) {
	c.report.Files = len(r.found.segments) + len(r.found.snapshots)
	c.report.Bytes, c.report.Entries, c.report.Commits = r.total, r.result.Entries, r.result.Commits
	c.report.Last = r.result.Last
	if r.tail != nil {
		c.report.Last = r.tail.lastRevision()
	}
}

// fix repairs one damage after the other until everything reads.
func (c *checker) fix() error {
	for {
		r, err := c.load()
		var damage *DamageError
		switch {
		case err == nil:
			err = r.cutTail()
			c.count(r)
			c.cut(r.result.Cut)
			return err
		case !errors.As(err, &damage):
			return err
		case len(c.report.Damage) > 0 && *damage == *c.report.Damage[len(c.report.Damage)-1]:
			return fmt.Errorf("this cannot be fixed, restore a backup: %w", err)
		}
		c.report.Damage = append(c.report.Damage, damage)
		if err := c.repair(r, damage); err != nil {
			return fmt.Errorf("fix %s: %w", damage.File, err)
		}
	}
}

// cut adds a cut to the report.
func (c *checker) cut(cut Cut) {
	if cut.File != "" {
		c.report.Cuts = append(c.report.Cuts, cut)
	}
}

// repair makes the damage go away.
func (c *checker) repair(r *recoverer, damage *DamageError) error {
	if n, ok := numberOf(damage.File, snapshotPrefix); ok {
		return c.salvage(n)
	}
	n, ok := numberOf(damage.File, segmentPrefix)
	latest := r.found.latest()
	switch {
	case !ok:
		return errors.New("it is not a file of the log")
	case n < latest: // only watches need it and those before it
		for _, older := range r.found.segments {
			if older <= n {
				if err := c.setAside(segmentName(older)); err != nil {
					return err
				}
			}
		}
		return c.fs.SyncDir()
	}
	for _, later := range r.found.segments {
		if later > n || later == n && damage.Offset == 0 {
			if err := c.setAside(segmentName(later)); err != nil {
				return err
			}
		}
	}
	if damage.Offset > 0 {
		if err := c.truncate(damage.File, damage.Offset); err != nil {
			return err
		}
	}
	if n == latest && damage.Offset == 0 {
		if err := c.beginAfterSnapshot(n); err != nil {
			return err
		}
	}
	return c.fs.SyncDir()
}

// setAside gives a file the name of a copy.
func (c *checker) setAside(name string) error {
	size, err := sizeOf(c.fs, name)
	if err != nil {
		return err
	}
	c.cut(Cut{File: name, Bytes: size, Copy: copyName(name, 0)})
	return c.fs.Rename(name, copyName(name, 0))
}

// truncate cuts a file, and keeps a copy of what it cuts.
func (c *checker) truncate(name string, offset int64) error {
	data, err := readFile(c.fs, name)
	if err != nil {
		return err
	}
	s := segmentFile{name: name, data: data, end: offset}
	if cut := s.rest(); cut.File != "" {
		if err := writeFile(c.fs, cut.Copy, data[offset:offset+cut.Bytes]); err != nil {
			return err
		}
		c.cut(cut)
	}
	return rewrite(c.fs, name, nil, offset)
}

// beginAfterSnapshot writes an empty segment that follows on the snapshot with this number, and sets those before it aside,
// since their end is not known.
func (c *checker) beginAfterSnapshot(number uint64) error {
	r := &recoverer{fs: c.fs, loader: nothing{}}
	if err := r.loadSnapshot(number); err != nil {
		return err
	}
	found, err := survey(c.fs)
	if err != nil {
		return err
	}
	for _, n := range found.segments {
		if err := c.setAside(segmentName(n)); err != nil {
			return err
		}
	}
	return writeSegment(c.fs, number, r.result.Last, r.result.Epochs)
}

// writeSegment writes an empty segment. It must have epochs.
func writeSegment(fs vfs.FS, number, before uint64, epochs Epochs) error {
	h := segmentHeader{salt: newSalt(), number: number, before: before, first: before + 1, epochs: epochs}
	return writeFile(fs, segmentName(number), h.append(nil))
}
