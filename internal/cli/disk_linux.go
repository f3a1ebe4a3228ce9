package cli

import "syscall"

// freeBytes returns how many bytes the file system of dir has for processes of any user, or -1.
func freeBytes(dir string) int64 {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
