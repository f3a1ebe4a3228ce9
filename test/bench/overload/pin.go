package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"key-value/internal/testkit/proc"
)

// serverCPU is the processor that the servers have for themselves, and peerCPU the one on which all their load is made:
// who makes ten times the requests must not take the processor from who is to answer them.
const serverCPU, peerCPU = "0", "1"

// canPin returns why there is no processor for each side.
func canPin() error {
	if runtime.NumCPU() < 2 {
		return errors.New("two processors are needed, one for the servers and one for their load")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return fmt.Errorf("processes are kept to their processors with taskset, of util-linux: %w", err)
	}
	return nil
}

// pinned returns the command that runs another one on the processor of the servers.
func pinned(c proc.Command) proc.Command {
	c.Path, c.Args = "taskset", append([]string{"-c", serverCPU, c.Path}, c.Args...)
	return c
}

// pinSelf keeps this process, with all its threads, to the processor of the load.
func pinSelf() error {
	runtime.GOMAXPROCS(1)
	out, err := exec.Command("taskset", "-a", "-c", "-p", peerCPU, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("keep the load to its processor: %w: %s", err, out)
	}
	return nil
}
