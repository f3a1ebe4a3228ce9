//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package vfs

import (
	"fmt"
	"os"
	"runtime"
)

// lock fails: without locks and synced directories, a log would promise too much.
func lock(*os.File) error {
	return fmt.Errorf("data directories are not supported on %s", runtime.GOOS)
}

func isFull(error) bool { return false }

// allocate does nothing: a disk that fills is noticed when the kernel does not take a write.
func allocate(*os.File, int64, int64) error { return nil }

func syncData(f *os.File) error { return f.Sync() }

// syncDir does nothing: directories cannot be synced on this system.
func syncDir(*os.File) error { return nil }
