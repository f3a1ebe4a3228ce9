// Command overload measures the store under overload, and beside hostile peers. It builds the store, starts it on
// loopback with a CPU of its own, and ends it. All load, normal and hostile, uses another CPU. It needs Linux and
// taskset.
//
//	go run -C test ./bench/overload
//
// It finds the peak in a closed loop. It then sends two, five and ten times that rate in an open loop, at fixed times
// whether or not earlier requests were answered. The requests are pages of a listing, which cost much more to answer
// than to reject. A request for which no connection is free is counted as unsent. Everything is done in rounds, and the
// medians are printed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/hostile"
)

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 3 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	duration := flag.Duration("duration", 5*time.Second, "duration of each measurement")
	connections := flag.Int("connections", 256, "connections of the open loop")
	only := flag.String("only", "", "measure only load or only peers")
	valueBytes := flag.Int("value-bytes", 64, "size of values, of which a page has 1,000")
	rounds := flag.Int("rounds", 3, "how often to measure everything")
	kv := flag.String("kv", "", "the kv program to measure (default: built from the working tree)")
	two := flag.Bool("two", false, "run gateway and kvservice as two processes")
	peers := flag.String("be", "", "run these hostile peers against the address in the argument; used internally")
	flag.Parse()
	if *peers != "" {
		return be(ctx, *peers, flag.Arg(0))
	}
	if err := canPin(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "overload")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var servers proc.Group
	defer servers.Stop(stopGrace)
	if *kv == "" {
		if *kv, err = proc.BuildKV(ctx, dir); err != nil {
			return err
		}
	}
	addr, err := start(ctx, &servers, *kv, *two)
	if err != nil {
		return err
	}
	if err := pinSelf(); err != nil {
		return err
	}
	if err := fill(addr, *valueBytes); err != nil {
		return err
	}
	if *only != "peers" {
		err = overload(ctx, addr, *connections, *rounds, *duration)
	}
	if *only != "load" {
		err = errors.Join(err, besides(ctx, addr, *rounds, *duration))
	}
	return err
}

// start starts the store, whose program is binary.
func start(ctx context.Context, servers *proc.Group, binary string, two bool) (addr string, err error) {
	run := func(args ...string) (string, error) {
		server, err := servers.Serve(ctx, pinned(proc.KV(binary, []string{"KV_API_KEY=" + hostile.APIKey}, append(args, "--listen", "127.0.0.1:0")...)))
		if err != nil {
			return "", err
		}
		return server.Addr, nil
	}
	if !two {
		return run("serve")
	}
	service, err := run("kvservice")
	if err != nil {
		return "", err
	}
	return run("gateway", "--service", "http://"+service)
}

// serverCPU is the CPU of the servers, and peerCPU that of all load, so that load does not take CPU time from the
// servers.
const serverCPU, peerCPU = "0", "1"

// canPin returns an error if each side cannot have a CPU of its own.
func canPin() error {
	if runtime.NumCPU() < 2 {
		return errors.New("two CPUs are required, one for the servers and one for their load")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return fmt.Errorf("pinning processes requires taskset, of util-linux: %w", err)
	}
	return nil
}

// pinned returns c run on the CPU of the servers.
func pinned(c proc.Command) proc.Command {
	c.Path, c.Args = "taskset", append([]string{"-c", serverCPU, c.Path}, c.Args...)
	return c
}

// pinSelf moves this process, with all its threads, to the CPU of the load.
func pinSelf() error {
	runtime.GOMAXPROCS(1)
	out, err := exec.Command("taskset", "-a", "-c", "-p", peerCPU, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pin the load: %w: %s", err, out)
	}
	return nil
}
