// Command failover kills the nodes of a cluster of Redis or etcd while clients use the store in it. It checks that no more
// is lost than documented, and that nothing lost is confused with what came later.
//
//	go run -C test ./faults/failover                 kills 100 primaries of Redis, one after another
//	go run -C test ./faults/failover --store etcd    kills 100 leaders of etcd
//	go run -C test ./faults/failover --kills 4       kills 4, with every kind of fault at least once
//	go run -C test ./faults/failover --seed 7        the random choices of an earlier run
//	go run -C test ./faults/failover --out DIR       where failover.txt and .json are written, relative to test/
//
// It builds the store from the working tree, and starts three primaries of Redis with a replica each and two kvservices, or
// three members of etcd and two servers with it. Clients write with and without preconditions, increment, batch, read, list
// and watch all the time. After each fault the clients pause, and the state of the store is compared with what was
// acknowledged and what watches delivered:
//
//   - An etag stands for one write forever, and no write with the etag of a lost write as its precondition succeeds.
//   - A watch delivers each write of a key once and in order, except for lost writes. One that delivered a lost write
//     has
//     ended; the others have delivered everything. So do watches that resume from tokens from before the fault.
//   - Lost writes were acknowledged less than a second before their primary died. Reads miss no other writes.
//   - Nothing is added twice, no half of a batch is seen, and calls fail only with errors in the contract.
//   - With etcd, nothing is lost except what was written after the snapshot from which it is restored, and the histories of
//     further clients are linearizable.
//
// It needs Linux, and redis-server or valkey-server, or builds etcd. It exits with 1 if anything was wrong, and ends all its
// processes, also on Ctrl-C. See docs/reliability.md.
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
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failover:", err)
		os.Exit(1)
	}
}

// errWrong is the error of a run that found violations.
var errWrong = errors.New("the store did not keep its promises")

// settings are the command line.
type settings struct {
	store string
	kills int // primaries or leaders
	seed  uint64
	out   string // a directory; empty: write nothing
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("failover", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.store, "store", "redis", "what keeps the data: redis or etcd")
	flags.IntVar(&s.kills, "kills", 100, "how many primaries or leaders to kill")
	flags.Uint64Var(&s.seed, "seed", rand.Uint64()>>32, "seed of all random choices")
	flags.StringVar(&s.out, "out", "", "directory for the results: failover.txt and .json, or etcd.txt and .json")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() != 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if _, ok := suites[s.store]; !ok {
		return s, fmt.Errorf("invalid --store %q: want redis or etcd", s.store)
	}
	return s, nil
}

func start(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "seed %d\n", s.seed)
	st, err := newStage(ctx, suites[s.store])
	if err != nil {
		return err
	}
	defer st.close()
	r := newRun(s, st, stderr)
	err = r.run(ctx)
	results := r.results()
	if err := errors.Join(err, results.print(stdout)); err != nil {
		return err
	}
	if err := results.write(s.out); err != nil {
		return err
	}
	if len(results.Wrong) != 0 {
		return errWrong
	}
	return nil
}
