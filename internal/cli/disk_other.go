//go:build !linux

package cli

// freeBytes returns -1: only Linux tells how many bytes a file system has.
func freeBytes(string) int64 { return -1 }
