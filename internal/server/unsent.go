//go:build !linux && !darwin

package server

import "syscall"

// limitUnsent does nothing: the system has no such limit.
func limitUnsent(string, string, syscall.RawConn) error { return nil }
