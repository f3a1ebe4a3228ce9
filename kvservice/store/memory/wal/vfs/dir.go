package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// lockFile is the file whose lock is that of the directory.
const lockFile = "lock"

// Dir is a directory of the operating system. Open one with [OpenDir].
type Dir struct{ path string }

// OpenDir returns the directory at path, which it creates for this user alone, and those above it, if it does not exist.
func OpenDir(path string) (*Dir, error) {
	if err := makeDir(filepath.Clean(path)); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", path)
	}
	return &Dir{path}, nil
}

// makeDir creates the directory at path and those above it that do not exist, and makes them survive a crash.
func makeDir(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(path)
	if err := makeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return (&Dir{above}).SyncDir()
}

// Lock locks the file "lock" in the directory.
func (d *Dir) Lock() (io.Closer, error) {
	f, err := os.OpenFile(d.join(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// List returns the names of the regular files, without the one that Lock creates.
func (d *Dir) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != lockFile {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Create creates a file that only this user may read.
func (d *Dir) Create(name string) (File, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

// Open opens a file.
func (d *Dir) Open(name string) (File, error) { return d.open(name, os.O_RDWR) }

func (d *Dir) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(d.join(name), flag, 0o600)
	if err != nil {
		return nil, noRoom(err)
	}
	return &file{f}, nil
}

// Rename renames a file.
func (d *Dir) Rename(from, to string) error { return noRoom(os.Rename(d.join(from), d.join(to))) }

// Remove removes a file.
func (d *Dir) Remove(name string) error { return os.Remove(d.join(name)) }

// SyncDir syncs the directory.
func (d *Dir) SyncDir() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}

func (d *Dir) join(name string) string { return filepath.Join(d.path, name) }

// file is a file of the operating system.
type file struct{ *os.File }

func (f *file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(p, offset)
	return n, noRoom(err)
}

func (f *file) Allocate(offset, n int64) error { return noRoom(allocate(f.File, offset, n)) }

func (f *file) Sync() error { return syncData(f.File) }

// noRoom makes an error that says that the disk is full [ErrNoRoom] as well.
func noRoom(err error) error {
	if err != nil && isFull(err) {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return err
}
