package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock locks f until it is closed.
func lock(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		case !errors.Is(err, syscall.EINTR):
			return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func allocate(f *os.File, offset, n int64) error {
	for {
		switch err := syscall.Fallocate(int(f.Fd()), 0, offset, n); {
		case err == nil, errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return nil
		case !errors.Is(err, syscall.EINTR):
			return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
		}
	}
}

// syncData leaves out what a reader of the file does not need, such as its times.
func syncData(f *os.File) error {
	for {
		switch err := syscall.Fdatasync(int(f.Fd())); {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EINTR):
			return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

func syncDir(f *os.File) error { return f.Sync() }
