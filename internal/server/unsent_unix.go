//go:build linux || darwin

package server

import (
	"runtime"
	"syscall"
)

// unsentBytes is how much the system takes of a connection's output before it can send it. Without a limit it takes
// megabytes, and reports room for more only after a third of them is sent: a peer that reads slowly but steadily would
// seem to stand still for that long.
const unsentBytes = 64 << 10

// limitUnsent sets TCP_NOTSENT_LOWAT on a listener, which its connections inherit.
func limitUnsent(_, _ string, socket syscall.RawConn) error {
	option := 0x19 // in linux/tcp.h
	if runtime.GOOS == "darwin" {
		option = 0x201 // in netinet/tcp.h
	}
	// A system that does not know the option works without it.
	return socket.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, unsentBytes)
	})
}
