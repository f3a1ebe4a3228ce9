//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package vfs

import "os"

// lock does nothing: there are no locks on this system.
func lock(*os.File) error { return nil }

func isFull(error) bool { return false }

// allocate does nothing: a disk that fills is noticed when the kernel does not take a write.
func allocate(*os.File, int64, int64) error { return nil }

func syncData(f *os.File) error { return f.Sync() }

// syncDir does nothing: directories cannot be synced on this system.
func syncDir(*os.File) error { return nil }
