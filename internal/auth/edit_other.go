//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package auth

import "errors"

// lockDirectory fails: on this system neither locks nor file modes can protect a keys file.
func lockDirectory(string) (unlock func(), err error) {
	return nil, errors.New("editing keys files is not supported on this operating system")
}
