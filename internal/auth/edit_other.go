//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package auth

import (
	"errors"
	"io/fs"
)

// lockDirectory fails: on this system neither locks nor file modes can protect a keys file.
func lockDirectory(string) (unlock func(), err error) {
	return nil, errors.New("editing keys files is not supported on this operating system")
}

// ownedByRoot reports false: this system has no root.
func ownedByRoot(fs.FileInfo) bool { return false }
