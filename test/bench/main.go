// Command bench measures the key-value store beside its peers: on one machine, in one run, in turns.
//
//	go run -C test ./bench                          everything; about half an hour
//	go run -C test ./bench --quick                  everything in small, in a minute or so: to see that it runs
//	go run -C test ./bench --only 'REST get, 64'    what matches, of "scenario, setting"
//	go run -C test ./bench --out DIR                where results.txt, .json and .svg are written
//	go run -C test ./bench --profile ../cmd/kv/default.pgo --duration 10s    what `task build` is guided by
//
// (The benchmark is a module of its own, so that what the peers need is no dependency of the store's; Go then wants
// -C, and reads DIR from within bench/.)
//
// It builds the store from the working tree as `task build` does, starts it and each peer on loopback, fills them
// with the same entries, and has wrk, h2load and redis-benchmark load one after the other, in rounds, in an order
// that changes from round to round. A ratio is the median of the ratios within the rounds, so that what disturbs
// the machine for a while disturbs both sides of it. What is not installed is reported as missing. All servers are
// ended with the benchmark, also by Ctrl-C.
//
// docs/benchmarks.md says what is compared, why that is fair, and what came out.
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
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("not done after %v", s.timeout))
	defer cancel()
	st, err := newStage(stderr)
	if err != nil {
		return err
	}
	defer st.close()
	b := &bench{settings: s, stage: st, progress: stderr}
	if s.profileFile != "" {
		return b.profile(ctx)
	}
	outcomes, err := b.measure(ctx)
	if err != nil {
		return err
	}
	r := newResults(ctx, s, outcomes)
	return errors.Join(r.print(stdout), r.write(s.out))
}

// bench is one run.
type bench struct {
	settings
	stage    *stage
	progress io.Writer
}

// measure runs all scenarios. Those that do not match --only have no cells, and start nothing.
func (b *bench) measure(ctx context.Context) ([]outcome, error) {
	var all []outcome
	for _, scenario := range []func(context.Context) ([]outcome, error){
		b.rest, b.grpc, b.batches, b.watches, b.growth, b.memory,
	} {
		outcomes, err := scenario(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, outcomes...)
	}
	if len(all) == 0 {
		return nil, errors.New("--only matches nothing")
	}
	return all, nil
}
