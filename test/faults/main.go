// Command faults injects faults into the key-value store while clients use it, and checks that the store keeps its
// promises.
//
//	go run -C test ./faults                       a million operations under every kind of fault
//	go run -C test ./faults --duration 45s        for that time, with every kind at least once
//	go run -C test ./faults --only 'SIGTERM'      only the kinds that match
//	go run -C test ./faults --seed 7              the random choices of an earlier run
//	go run -C test ./faults --out DIR             where results.txt, .json and wrong histories are written
//
// (The suites have a module of their own, so that their dependencies are not the store's. It needs -C, so DIR is
// relative to test/.)
//
// It builds the store from the working tree and starts a kvservice, two gateways and a balancer on 127.0.0.x, with a
// proxy on every connection between them. Clients of REST, of gRPC and of the Go library read, write, increment, batch
// and watch all the time. Histories of what they see are checked with porcupine, and watches against what was written.
//
// It needs Linux. It exits with 1 if anything was wrong, and ends all its processes, also on Ctrl-C.
//
// docs/reliability.md says what this suite shows, and what other tests do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
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

// errWrong is the error of a run that found violations.
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

// settings are the command line.
type settings struct {
	operations int           // operations to check, if duration is zero
	duration   time.Duration // how long to inject faults; zero: until enough operations are checked
	seed       uint64
	faults     []fault
	out        string // a directory; empty: write nothing
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	s, only := settings{}, ""
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.operations, "operations", 1_000_000, "check at least this many operations")
	flags.DurationVar(&s.duration, "duration", 0, "inject faults for this long instead of --operations")
	flags.Uint64Var(&s.seed, "seed", rand.Uint64()>>32, "seed of all random choices")
	flags.StringVar(&only, "only", "", "inject only the kinds of fault that match this regular expression")
	flags.StringVar(&s.out, "out", "", "directory for results.txt, results.json and wrong histories")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() != 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	for _, f := range kinds {
		if pattern.MatchString(f.name) {
			s.faults = append(s.faults, f)
		}
	}
	if len(s.faults) == 0 {
		return s, errors.New("--only matches no kind of fault")
	}
	return s, nil
}
