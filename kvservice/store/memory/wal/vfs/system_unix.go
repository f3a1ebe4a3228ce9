//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock locks f until it is closed.
func lock(f *os.File) error {
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return ErrLocked
	default:
		return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// allocate does nothing: a disk that fills is noticed when the kernel does not take a write.
func allocate(*os.File, int64, int64) error { return nil }

func syncData(f *os.File) error { return f.Sync() }

func syncDir(f *os.File) error { return f.Sync() }
