//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package auth

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lockDirectory waits for other edits of keys files in dir to end. The file itself cannot be locked, because each edit
// replaces it.
func lockDirectory(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		switch err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); {
		case err == nil:
			return func() { _ = d.Close() }, nil // closing unlocks it
		case !errors.Is(err, syscall.EINTR):
			return nil, errors.Join(&fs.PathError{Op: "lock", Path: dir, Err: err}, d.Close())
		}
	}
}

// keepOwner gives f the owner of the file at path, if it exists: root may edit the file of another user's server.
func keepOwner(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// syncDirectory makes a rename in dir survive a crash of the machine.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
