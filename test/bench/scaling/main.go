// Command scaling measures the store on Redis: how throughput, latency, memory and CPU time depend on the number of
// primaries.
//
//	go run -C test ./bench/scaling                          everything; about five minutes
//	go run -C test ./bench/scaling --quick                  a little of everything: only to see that it works
//	go run -C test ./bench/scaling --only '^(3 pri|memory)' sites that match
//	go run -C test ./bench/scaling --out ../docs/scaling    where results.txt and results.json are written, relative to test/
//
// It builds the store and starts clusters of 1, 3 and 6 primaries, one of 3 with a replica each, and a kvservice for
// each, besides a kvservice that stores its entries in memory. All have the same entries. In rounds, redis-benchmark
// loads the nodes of each site, and wrk its kvservice, with the same operations. Everything ends with the command.
//
// All nodes and services share the CPUs of one machine, so more primaries do not increase throughput here. What the
// figures show is the CPU time that an operation costs the nodes and the service, and the ratios within a site.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
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
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}

// settings say what to measure, and for how long.
type settings struct {
	command  string         // repeats this run
	out      string         // directory for the results
	only     *regexp.Regexp // matched with names of sites
	rounds   int            // how often each scenario is measured at each site
	duration time.Duration  // of one measurement
	entries  int            // at each site
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, stderr)
	if err != nil {
		return err
	}
	b := &bench{settings: s, progress: stderr}
	defer b.close()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	r := b.results(ctx)
	return errors.Join(r.print(stdout), r.write(s.out))
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	f := flag.NewFlagSet("scaling", flag.ContinueOnError)
	f.SetOutput(stderr)
	s := settings{command: strings.Join(append([]string{"go run -C test ./bench/scaling"}, args...), " ")}
	f.StringVar(&s.out, "out", "out/scaling", "`directory` for results.txt and results.json, relative to test/")
	f.IntVar(&s.rounds, "rounds", 5, "how often to measure each scenario")
	f.DurationVar(&s.duration, "duration", time.Second, "duration of one measurement")
	f.IntVar(&s.entries, "entries", 200_000, "number of entries at each site")
	only := f.String("only", "", "`regexp` of the sites to measure")
	quick := f.Bool("quick", false, "measure only a little of everything, to see that it works")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if *quick {
		s.rounds, s.duration, s.entries = 1, 200*time.Millisecond, 10_000
	}
	if s.rounds < 1 || s.duration < 50*time.Millisecond || s.entries < pageSize {
		return s, fmt.Errorf("--rounds must be at least 1, --duration at least 50ms and --entries at least %d", pageSize)
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	return s, nil
}
