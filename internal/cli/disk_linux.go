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

// volatileKinds names the kinds of file systems whose files do not outlive the machine or the container.
var volatileKinds = map[int64]string{0x01021994: "tmpfs", 0x858458f6: "ramfs", 0x794c7630: "overlay"}

// volatileKind returns the name of the file system of dir if it is one of volatileKinds, or "".
func volatileKind(dir string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return ""
	}
	return volatileKinds[int64(s.Type)&0xffffffff]
}

// openFiles returns how many files this process may open, or 0 if it cannot tell. That is the hard limit, to which Go raises the
// soft one when a program starts.
func openFiles() int64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int64(min(limit.Max, 1<<62))
}
