// Package simfs is a simulated disk for tests. It loses what a real one may lose when the power is cut: what was written to a
// file since it was synced, in pieces and in any order, and what was created, renamed or removed since the directory was.
package simfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"key-value/kvservice/store/memory/wal/vfs"
)

// Op is a call that changes the disk.
type Op string

// The calls that change the disk.
const (
	Create   Op = "create"
	Rename   Op = "rename"
	Remove   Op = "remove"
	SyncDir  Op = "sync of the directory"
	Write    Op = "write"
	Allocate Op = "allocate"
	Truncate Op = "truncate"
	Sync     Op = "sync"
)

// Disk is a directory on a simulated disk. Create one with [New].
type Disk struct {
	// Before is called before each change, without a lock. If it returns an error, the change fails with it. After
	// a sync of a file that fails, what it should have synced is still seen, but another sync does not make it survive, as on
	// Linux. Nil: there is none. It must not be changed while the disk is used.
	Before func(op Op, name string) error

	mu       sync.Mutex
	capacity int64 // bytes of all files together; zero: no limit
	locked   bool
	files    map[string]*inode // as they are seen
	durable  map[string]*inode // as they survive
	links    []link            // changes of the directory since it was synced, oldest first
}

// inode is the contents of a file.
type inode struct {
	data    []byte  // as they are seen
	durable []byte  // as they survive
	writes  []write // since the last sync, oldest first
}

// write is a change of a file.
type write struct {
	offset   int64
	data     []byte // nil: the file was made this long
	truncate bool   // or cut there
}

// link is a change of the directory: each name gets its inode, or is removed if that is nil.
type link map[string]*inode

var _ vfs.FS = (*Disk)(nil)

// New returns an empty disk.
func New() *Disk { return &Disk{files: map[string]*inode{}, durable: map[string]*inode{}} }

// SetCapacity sets the bytes that all files may have together. Zero: no limit.
func (d *Disk) SetCapacity(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = n
}

// Used returns the bytes that all files have together.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usedLocked()
}

func (d *Disk) usedLocked() int64 {
	n := int64(0)
	for _, f := range d.files {
		n += int64(len(f.data))
	}
	return n
}

func (d *Disk) before(op Op, name string) error {
	if d.Before == nil {
		return nil
	}
	return d.Before(op, name)
}

// Lock locks the disk until the result is closed.
func (d *Disk) Lock() (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, vfs.ErrLocked
	}
	d.locked = true
	return unlocker{d}, nil
}

type unlocker struct{ d *Disk }

func (u unlocker) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.d.locked = false
	return nil
}

// List returns the names of the files.
func (d *Disk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.files)), nil
}

// Create creates a file.
func (d *Disk) Create(name string) (vfs.File, error) {
	if err := d.before(Create, name); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &inode{}
	d.linkLocked(link{name: f})
	return &file{d, f, name}, nil
}

// Open opens a file.
func (d *Disk) Open(name string) (vfs.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[name]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return &file{d, f, name}, nil
}

// Rename renames a file.
func (d *Disk) Rename(from, to string) error {
	if err := d.before(Rename, from); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[from]
	if !ok {
		return fmt.Errorf("rename %s: %w", from, fs.ErrNotExist)
	}
	d.linkLocked(link{from: nil, to: f})
	return nil
}

// Remove removes a file.
func (d *Disk) Remove(name string) error {
	if err := d.before(Remove, name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.files[name]; !ok {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	d.linkLocked(link{name: nil})
	return nil
}

// SyncDir makes the directory survive as it is.
func (d *Disk) SyncDir() error {
	err := d.before(SyncDir, "")
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.links, d.durable = nil, maps.Clone(d.files)
	}
	return err
}

func (d *Disk) linkLocked(l link) {
	l.apply(d.files)
	d.links = append(d.links, l)
}

func (l link) apply(files map[string]*inode) {
	for name, f := range l {
		if f == nil {
			delete(files, name)
		} else {
			files[name] = f
		}
	}
}

// file is an open file.
type file struct {
	d    *Disk
	f    *inode
	name string
}

func (f *file) Close() error { return nil }

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.f.data)), nil
}

func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	n := copy(p, f.f.data[min(offset, int64(len(f.f.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes as much of p as there is room for.
func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	if err := f.d.before(Write, f.name); err != nil {
		return 0, err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	room := max(int64(len(f.f.data)), int64(len(f.f.data))+f.d.roomLocked())
	n := max(0, min(int64(len(p)), room-offset))
	f.f.change(write{offset: offset, data: append([]byte{}, p[:n]...)})
	if n < int64(len(p)) {
		return int(n), vfs.ErrNoRoom
	}
	return int(n), nil
}

// roomLocked returns how many bytes files may grow.
func (d *Disk) roomLocked() int64 {
	if d.capacity == 0 {
		return 1 << 40
	}
	return d.capacity - d.usedLocked()
}

func (f *file) Allocate(offset, n int64) error {
	if err := f.d.before(Allocate, f.name); err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	size := int64(len(f.f.data))
	if offset+n-size > f.d.roomLocked() {
		return vfs.ErrNoRoom
	}
	f.f.change(write{offset: max(size, offset+n)})
	return nil
}

func (f *file) Truncate(size int64) error {
	if err := f.d.before(Truncate, f.name); err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.f.change(write{offset: size, truncate: true})
	return nil
}

func (f *file) Sync() error {
	err := f.d.before(Sync, f.name)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	for _, w := range f.f.writes {
		if err == nil {
			f.f.durable = w.apply(f.f.durable)
		}
	}
	f.f.writes = nil
	return err
}

// change performs a change that does not survive yet.
func (f *inode) change(w write) {
	f.data = w.apply(f.data)
	f.writes = append(f.writes, w)
}

// apply returns data after the change.
func (w write) apply(data []byte) []byte {
	if w.truncate {
		return data[:min(w.offset, int64(len(data)))]
	}
	if end := w.offset + int64(len(w.data)); end > int64(len(data)) {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[w.offset:], w.data)
	return data
}

// ErrIO is what a broken disk returns.
var ErrIO = errors.New("simulated input/output error")
