//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
)

// Lock fails: there are no locks on this system.
func Lock(f *os.File) error {
	return &fs.PathError{Op: "lock", Path: f.Name(), Err: errors.ErrUnsupported}
}

// TryLock reports true: there are no locks on this system.
func TryLock(*os.File) bool { return true }

func keepOwner(*os.File, fs.FileInfo) error { return nil }

func syncDirectory(string) error { return nil }
