package simfs

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is how many bytes survive together. It is less than on real disks, so that frames are torn more often.
const sector = 16

// Crash returns a disk with what may have survived if the power is cut now.
func (d *Disk) Crash(r *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := maps.Clone(d.durable)
	for _, l := range d.links {
		if r.IntN(2) == 0 {
			l.apply(names)
		}
	}
	crashed := New()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		data := names[name].survive(r)
		crashed.files[name] = &inode{data: data, durable: bytes.Clone(data)}
	}
	crashed.durable = maps.Clone(crashed.files)
	return crashed
}

// Kill returns the disk as it is if the process is killed now: the kernel still has everything, and still has to sync it.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	killed, copies := New(), map[*inode]*inode{nil: nil}
	files := func(from map[string]*inode) map[string]*inode {
		to := map[string]*inode{}
		for name, f := range from {
			if _, ok := copies[f]; !ok {
				copies[f] = &inode{bytes.Clone(f.data), bytes.Clone(f.durable), slices.Clone(f.writes)}
			}
			to[name] = copies[f]
		}
		return to
	}
	killed.files, killed.durable = files(d.files), files(d.durable)
	for _, l := range d.links {
		killed.links = append(killed.links, files(l))
	}
	return killed
}

// survive returns what may be left of a file.
func (f *inode) survive(r *rand.Rand) []byte {
	data := bytes.Clone(f.durable)
	lost := func() bool { return r.IntN(2) == 0 } // in any order
	switch r.IntN(4) {
	case 0: // all of it
		lost = func() bool { return false }
	case 1: // what was written first
		left := r.IntN(1 + f.sectors())
		lost = func() bool { left--; return left < 0 }
	case 2: // nothing
		return data
	}
	for _, w := range f.writes {
		if w.truncate || len(w.data) == 0 {
			if !lost() {
				data = w.apply(data)
			}
			continue
		}
		for len(w.data) > 0 {
			n := min(int64(len(w.data)), sector-w.offset%sector)
			if !lost() {
				data = write{offset: w.offset, data: w.data[:n]}.apply(data)
			}
			w.offset, w.data = w.offset+n, w.data[n:]
		}
	}
	return data
}

// sectors returns how many pieces were written since the last sync.
func (f *inode) sectors() int {
	n := 0
	for _, w := range f.writes {
		n += 1 + len(w.data)/sector
	}
	return n
}

// Read returns the contents of a file.
func (d *Disk) Read(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[name]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
	}
	return bytes.Clone(f.data), nil
}

// Replace makes data the contents of a file, and makes them survive.
func (d *Disk) Replace(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &inode{data: bytes.Clone(data), durable: bytes.Clone(data)}
	d.files[name], d.durable[name] = f, f
}
