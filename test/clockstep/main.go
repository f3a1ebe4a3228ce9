//go:build linux

// Command clockstep runs a program whose wall clock can be stepped while it runs. No other process is affected.
//
//	clockstep FILE PROGRAM [ARGUMENT]...
//
// FILE holds what is added to the wall clock, in Go's syntax for durations, such as 1h or -30m. It is read at each reading
// of the clock, and should be replaced whole. The monotonic clock stays as it is.
//
// The program replaces this process: it keeps its process id, files and exit code. A second process answers its system
// calls for the wall clock (see seccomp_unotify(2)). Programs usually read the clock without a system call, through the
// vDSO, so that process hides the vDSO from the program before its first instruction.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Tracing and filters are matters of a thread. This keeps main on the first one, whose id is that of the process.
func init() { runtime.LockOSThread() }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clockstep:", err)
		os.Exit(1)
	}
}

// answering is set in the environment of the process that answers. Its value is the file of the step.
const answering = "CLOCKSTEP_FILE"

func run(args []string) error {
	if file := os.Getenv(answering); file != "" {
		return answer(file)
	}
	if len(args) < 2 {
		return errors.New("too few arguments: want FILE PROGRAM, and arguments of the program")
	}
	program, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	if err := prepare(args[0]); err != nil {
		return err
	}
	return fmt.Errorf("execute %s: %w", program, unix.Exec(program, args[1:], os.Environ()))
}

// prepare starts the process that answers, hands it the system calls of this thread, and waits until it follows the thread.
func prepare(file string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = append(os.Environ(), answering+"="+file), []*os.File{theirs}, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := theirs.Close(); err != nil {
		return err
	}
	// Where only ancestors may trace a process. Elsewhere this fails, and is not needed.
	_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(cmd.Process.Pid), 0, 0, 0)
	calls, err := filter()
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(calls), nil, 0); err != nil {
		return fmt.Errorf("send the listener: %w", err)
	}
	if n, err := unix.Read(pair[0], make([]byte, 1)); n != 1 {
		return fmt.Errorf("the process that answers has ended: %w", errors.Join(err, cmd.Wait()))
	}
	return nil
}
