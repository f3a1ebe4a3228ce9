//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Lock waits until no other process has locked f, and locks it until it is closed.
func Lock(f *os.File) error { return lock(f, syscall.LOCK_EX) }

// TryLock locks f until it is closed, and reports false if another process has locked it. On a file system without locks
// it does nothing.
func TryLock(f *os.File) bool {
	return !errors.Is(lock(f, syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func lock(f *os.File, how int) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), how); {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EINTR):
			return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

// keepOwner gives f the owner of the file that it replaces: root may edit the file of another user's server.
func keepOwner(f *os.File, before fs.FileInfo) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	old, ok := before.Sys().(*syscall.Stat_t)
	own, also := now.Sys().(*syscall.Stat_t)
	if !ok || !also || old.Uid == own.Uid && old.Gid == own.Gid {
		return nil
	}
	return f.Chown(int(old.Uid), int(old.Gid))
}

// syncDirectory makes a rename in dir survive a crash of the machine.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
