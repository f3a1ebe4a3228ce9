// Command scaling measures the store on Redis: how throughput, latency, memory and processor time go with the number
// of primaries.
//
//	go run -C test ./bench/scaling                          everything; about five minutes
//	go run -C test ./bench/scaling --quick                  little of everything: to see that it runs, not for the figures
//	go run -C test ./bench/scaling --only '^(3 pri|memory)' sites that match
//	go run -C test ./bench/scaling --out ../docs/scaling    where results.txt and results.json are written, seen from bench/
//
// It builds the store, starts clusters of 1, 3 and 6 primaries, one of 3 with a replica each, and a kvservice before each
// of them; beside them a kvservice that keeps its entries in memory. All hold the same entries. In rounds, every site in its
// turn has redis-benchmark ask its nodes, and wrk its kvservice, for the same. All nodes and services are ended with it.
//
// Everything runs on the cores of one machine, which six primaries share as one does: more of them do not show in
// throughput. What can be read from the figures is what each call costs the nodes and the service in processor time,
// and the ratios of one site.
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

// settings say how much to measure.
type settings struct {
	command  string         // how to do it again
	out      string         // directory for the results
	only     *regexp.Regexp // of what sites are called
	rounds   int            // how often each scenario is measured at each site
	duration time.Duration  // how long, each time
	entries  int            // how many each site holds
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
	f.StringVar(&s.out, "out", "out/scaling", "`directory` for results.txt and results.json, as seen from bench/")
	f.IntVar(&s.rounds, "rounds", 5, "how often each is measured")
	f.DurationVar(&s.duration, "duration", time.Second, "how long each is measured, each time")
	f.IntVar(&s.entries, "entries", 200_000, "how many entries each site holds")
	only := f.String("only", "", "`regexp` of the sites to measure")
	quick := f.Bool("quick", false, "measure little of everything: to see that it runs, not for the figures")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if *quick {
		s.rounds, s.duration, s.entries = 1, 200*time.Millisecond, 10_000
	}
	if s.rounds < 1 || s.duration < 50*time.Millisecond || s.entries < pageSize {
		return s, fmt.Errorf("--rounds, --duration and --entries: measure at least once, for 50ms or more, among %d entries or more", pageSize)
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	return s, nil
}
