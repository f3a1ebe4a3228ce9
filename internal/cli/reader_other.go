//go:build !linux

package cli

import "io"

// whenReaderLeaves does nothing here: a command notices at its next write that its output is closed.
func whenReaderLeaves(io.Writer, func()) (stop func()) { return func() {} }
