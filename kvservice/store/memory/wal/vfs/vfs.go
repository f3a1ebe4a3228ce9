// Package vfs is the part of a file system that a log needs: files in one directory, and when they are on disk.
//
// Interface [FS] is what a simulated disk implements in tests.
package vfs

import (
	"errors"
	"io"
)

// The errors of a file system. Compare with errors.Is.
var (
	// ErrLocked: another process has locked the directory.
	ErrLocked = errors.New("directory is in use by another process")
	// ErrNoRoom: the file system, or the quota, is full.
	ErrNoRoom = errors.New("no room on disk")
)

// FS is a directory. Its methods may be called concurrently. Names are those of files in it.
//
// What is created, renamed or removed survives a crash of the machine only after SyncDir, and what is written to a file only
// after its Sync.
type FS interface {
	// Lock locks the directory until the result is closed or the process ends. It fails with [ErrLocked].
	Lock() (io.Closer, error)
	// List returns the names of the files, in ascending order.
	List() ([]string, error)
	// Create creates a file for reading and writing. A file that exists is replaced by an empty one.
	Create(name string) (File, error)
	// Open opens a file that exists for reading and writing.
	Open(name string) (File, error)
	// Rename renames a file, and replaces the one that has the new name.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir waits until what was created, renamed or removed is on disk.
	SyncDir() error
}

// File is an open file. Its methods may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt // fails with [ErrNoRoom]; a write that fails may have written a part
	io.Closer
	// Size returns the size of the file, in bytes, with what is allocated.
	Size() (int64, error)
	// Allocate makes sure that there is room for n bytes from offset. They read as zeros. The file's size includes them. It
	// fails with [ErrNoRoom]. Where the system cannot do that, it does nothing.
	Allocate(offset, n int64) error
	// Truncate cuts the file.
	Truncate(size int64) error
	// Sync waits until what was written is on disk.
	Sync() error
}
