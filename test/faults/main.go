// Command faults breaks the key-value store while clients use it, and checks that it keeps its promises.
//
//	go run -C test ./faults                       a million operations under every kind of fault
//	go run -C test ./faults --duration 45s        as many as fit into that time, with every kind once at least
//	go run -C test ./faults --only 'SIGTERM'      what matches, of the kinds
//	go run -C test ./faults --seed 7              the choices of an earlier run
//	go run -C test ./faults --out DIR             where results.txt and .json are written, and histories that are wrong
//
// (The suite is a module of its own, so that what it needs is no dependency of the store's; Go then wants -C, and
// reads DIR from within faults/.)
//
// It builds the store from the working tree and starts a kvservice, two gateways before it and a balancer before
// those, all on 127.0.0.x, with a proxy on every way. Clients of REST, of gRPC and of the Go library read, write, add,
// batch and watch all the time. What they see is checked with porcupine, and against what was written.
//
// It needs Linux. It ends with 1 if anything was wrong, and ends all its processes, also on Ctrl-C.
//
// docs/reliability.md says what is shown by this and what by other tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// errWrong is why a run ends that found something.
var errWrong = errors.New("the store did not keep its promises")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "seed %d\n", s.seed)
	st, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer st.close()
	r := newRunner(s, st, stderr)
	if err := r.run(ctx); err != nil {
		return err
	}
	results := r.results()
	if err := errors.Join(results.print(stdout), results.write(s.out)); err != nil {
		return err
	}
	if results.Violations != 0 {
		return errWrong
	}
	return nil
}
