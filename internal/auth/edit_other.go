//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package auth

import (
	"errors"
	"os"
)

// lockDirectory refuses: a keys file is edited where its mode keeps others out, and where it can be locked.
func lockDirectory(string) (unlock func(), err error) {
	return nil, errors.New("keys files cannot be edited on this system")
}

func keepOwner(*os.File, string) error { return nil }

func syncDirectory(string) error { return nil }
