// Command overload measures what the store does when it is asked for more than it can do, and while hostile peers are
// at work. It builds the store, starts it on loopback with a processor for itself, and ends it. All load, good and
// hostile, is made on another processor. It needs Linux, with taskset.
//
//	go run -C test ./bench/overload
//
// First it finds the peak in a closed loop. Then requests come in an open loop, at their times whether or not earlier
// ones were answered, two, five and ten times as many as that. The requests are pages of a listing, which cost much more
// to answer than to refuse. A request for which all connections are busy is not sent, and counted as such. All of that is
// done in rounds, and the medians are told.
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
)

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 3 * time.Second

const apiKey = "overload-key"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	duration := flag.Duration("duration", 5*time.Second, "how long to measure each load")
	connections := flag.Int("connections", 256, "connections of the open loop")
	only := flag.String("only", "", "measure load or peers alone")
	valueBytes := flag.Int("value-bytes", 64, "how long the values are of which a page has 1,000")
	rounds := flag.Int("rounds", 3, "how often to measure everything")
	two := flag.Bool("two", false, "run gateway and kvservice as two processes")
	hostile := flag.String("be", "", "be these hostile peers, of the server at the address in the argument; this program says so to itself")
	flag.Parse()
	if *hostile != "" {
		return be(ctx, *hostile, flag.Arg(0))
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
	addr, err := start(ctx, &servers, dir, *two)
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

// start builds the store and starts it.
func start(ctx context.Context, servers *proc.Group, dir string, two bool) (addr string, err error) {
	binary, err := proc.BuildKV(ctx, dir)
	if err != nil {
		return "", err
	}
	run := func(args ...string) (string, error) {
		server, err := servers.Serve(ctx, pinned(proc.KV(binary, []string{"KV_API_KEY=" + apiKey}, append(args, "--listen", "127.0.0.1:0")...)))
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
