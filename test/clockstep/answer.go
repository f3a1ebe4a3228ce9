//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// answer answers system calls for the wall clock until the program has ended.
func answer(file string) error {
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT) // they are for the program, whose group this is
	socket, program := 3, os.Getppid()
	calls, err := receive(socket)
	if err != nil {
		return fmt.Errorf("receive the listener: %w", err)
	}
	memory, err := follow(program, socket)
	if err != nil {
		return fmt.Errorf("follow the program: %w", err)
	}
	defer memory.Close()
	for {
		c, err := nextCall(calls)
		if err != nil {
			return err
		}
		if c == nil {
			return nil
		}
		if err := c.answer(calls, memory, read(file)); err != nil {
			return err
		}
	}
}

// receive returns the descriptor that arrives at socket.
func receive(socket int) (int, error) {
	room := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), room, 0)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(room[:n])
	if err != nil || len(messages) != 1 {
		return 0, fmt.Errorf("%d messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}

// follow tells the process behind socket to go on, hides the vDSO from the program that replaces it, and returns the memory
// of that program.
func follow(program, socket int) (*os.File, error) {
	if _, _, failed := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(program), 0, unix.PTRACE_O_TRACEEXEC, 0, 0); failed != 0 {
		return nil, fmt.Errorf("trace: %w", failed)
	}
	if _, err := unix.Write(socket, []byte{0}); err != nil {
		return nil, err
	}
	if err := untilExec(program); err != nil {
		return nil, err
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", program), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := hideVDSO(program, memory); err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	return memory, unix.PtraceDetach(program)
}

// untilExec waits until the process has been replaced and stands before the first instruction of the program.
func untilExec(program int) error {
	for {
		var status unix.WaitStatus
		if _, err := unix.Wait4(program, &status, unix.WALL, nil); err != nil {
			return err
		}
		switch {
		case !status.Stopped():
			return errors.New("it ended before its start")
		case status.TrapCause() == unix.PTRACE_EVENT_EXEC:
			return nil
		}
		if err := unix.PtraceCont(program, int(status.StopSignal())); err != nil {
			return err
		}
	}
}

const (
	auxIgnore = 1  // an entry without a meaning
	auxVDSO   = 33 // where the vDSO is
)

// hideVDSO changes what the kernel has put on the stack of a new program: the number of arguments, the arguments, the
// environment, and pairs of numbers, of which one says where the vDSO is.
func hideVDSO(program int, memory *os.File) error {
	at, err := startOfStack(program)
	if err != nil {
		return err
	}
	word := func() uint64 {
		var b [8]byte
		if _, e := memory.ReadAt(b[:], at); e != nil {
			err = e
		}
		at += 8
		return binary.NativeEndian.Uint64(b[:])
	}
	word()
	for range 2 { // arguments and environment end with a zero each
		for word() != 0 && err == nil {
		}
	}
	for err == nil {
		switch word() {
		case 0:
			return nil
		case auxVDSO:
			_, err = memory.WriteAt(binary.NativeEndian.AppendUint64(nil, auxIgnore), at-8)
		}
		at += 8
	}
	return err
}

// startOfStack returns the stack pointer with which a program starts.
func startOfStack(program int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", program))
	if err != nil {
		return 0, err
	}
	const field = 28 // see proc_pid_stat(5); the second is in parentheses, and may have spaces
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) <= field-3 {
		return 0, fmt.Errorf("unexpected contents of stat: %q", text)
	}
	return strconv.ParseInt(fields[field-3], 10, 64)
}

// call is a system call that waits for its answer (see struct seccomp_notif).
type call struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

// result is the answer to a call (see struct seccomp_notif_resp).
type result struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// nextCall waits for a call. It returns nil once the program has ended.
func nextCall(calls int) (*call, error) {
	for {
		poll := []unix.PollFd{{Fd: int32(calls), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return nil, err
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents&unix.POLLHUP != 0 {
				return nil, nil
			}
			continue
		}
		var c call
		switch failed := ioctl(calls, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&c)); failed {
		case 0:
			return &c, nil
		case unix.ENOENT, unix.EINTR: // the caller was interrupted, and may ask again
		default:
			return nil, fmt.Errorf("receive a call: %w", failed)
		}
	}
}

// answer writes the time with step to where the caller wants it.
func (c *call) answer(calls int, memory *os.File, step time.Duration) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	now = unix.NsecToTimespec(now.Nano() + int64(step))
	at, fraction := c.args[1], now.Nsec
	if c.number == unix.SYS_GETTIMEOFDAY {
		at, fraction = c.args[0], now.Nsec/1000
	}
	b := binary.NativeEndian.AppendUint64(nil, uint64(now.Sec))
	b = binary.NativeEndian.AppendUint64(b, uint64(fraction))
	r := result{id: c.id}
	if _, err := memory.WriteAt(b, int64(at)); err != nil {
		r.err = -int32(unix.EFAULT)
	}
	failed := ioctl(calls, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	if failed != 0 && failed != unix.ENOENT {
		return fmt.Errorf("answer a call: %w", failed)
	}
	return nil
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) unix.Errno {
	_, _, failed := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
	return failed
}

// read returns the step in file, or zero if there is none.
func read(file string) time.Duration {
	text, _ := os.ReadFile(file)
	step, _ := time.ParseDuration(strings.TrimSpace(string(text)))
	return step
}
