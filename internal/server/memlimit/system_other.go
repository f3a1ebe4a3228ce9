//go:build !linux

package memlimit

import "io/fs"

// system returns nil: only Linux has the files.
func system() fs.FS { return nil }
