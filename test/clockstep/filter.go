//go:build linux

package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where a filter finds the number of a system call and the lower half of its first argument (see seccomp_data).
const (
	offsetNumber   = 0
	offsetArgument = 16
)

// filter has the system calls of this thread for the wall clock answered by whoever reads from the returned descriptor.
func filter() (int, error) {
	program := []unix.SockFilter{
		load(offsetNumber),
		unless(unix.SYS_GETTIMEOFDAY, 1), ask(),
		unless(unix.SYS_CLOCK_GETTIME, 5),
		load(offsetArgument),
		unless(unix.CLOCK_REALTIME, 1), ask(),
		unless(unix.CLOCK_REALTIME_COARSE, 1), ask(),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("set no_new_privs: %w", err)
	}
	fd, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})))
	if failed != 0 {
		return 0, fmt.Errorf("set the filter: %w", failed)
	}
	return int(fd), nil
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// unless skips instructions if the loaded value is not k.
func unless(k uint32, skipped uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: skipped}
}

func ask() unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF}
}
