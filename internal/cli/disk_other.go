//go:build !linux

package cli

// freeBytes returns -1: only Linux tells how many bytes a file system has.
func freeBytes(string) int64 { return -1 }

// volatileKind returns "": only Linux tells the kind of a file system.
func volatileKind(string) string { return "" }

// openFiles returns 0: only Linux is asked.
func openFiles() int64 { return 0 }
