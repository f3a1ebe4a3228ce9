// Command failover kills the nodes of a Redis cluster while clients use the store that is in it, and checks that no
// more is lost than the documentation says, and that nobody takes what is lost for what came after.
//
//	go run -C test ./faults/failover              kills 100 primaries, one after another
//	go run -C test ./faults/failover --kills 4    so many, with every kind of fault once at least
//	go run -C test ./faults/failover --seed 7     the choices of an earlier run
//	go run -C test ./faults/failover --out DIR    where failover.txt and .json are written
//
// It builds the store from the working tree, and starts a cluster of three primaries with a replica each and two
// kvservices before it. Clients write, with and without conditions, add, batch, read, list and watch all the time.
// After each fault everybody pauses, and what there is is compared with what was acknowledged and what was told:
//
//   - An etag stands for one write for ever, and no write goes through that wants a lost one.
//   - A watch tells each write of a key once and in order, but for those that are lost; one that told a write which is lost
//     has ended; the others have told all there is. So do watches that resume from tokens of before the fault.
//   - Lost writes were acknowledged less than a second before their primary died. No read missed others.
//   - Nothing is added twice, half a batch is never seen, and calls fail with what the contract says.
//
// It needs Linux, and redis-server or valkey-server. It ends with 1 if anything was wrong, and ends all its processes,
// also on Ctrl-C. docs/reliability.md says more.
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

// errWrong is why a run ends that found something.
var errWrong = errors.New("the store did not keep its promises")

// settings are what the command line says.
type settings struct {
	kills int // primaries
	seed  uint64
	out   string // a directory; empty: nothing is written
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("failover", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.kills, "kills", 100, "how many primaries to kill")
	flags.Uint64Var(&s.seed, "seed", rand.Uint64()>>32, "what all choices follow from")
	flags.StringVar(&s.out, "out", "", "directory for failover.txt and failover.json")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() != 0 {
		return s, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	return s, nil
}

func start(ctx context.Context, args []string, stdout, stderr io.Writer) error {
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
