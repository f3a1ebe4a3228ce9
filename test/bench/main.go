// Command bench measures the key-value store beside its peers: on one machine, in one run, in turns.
//
//	go run -C test ./bench                          everything; about half an hour
//	go run -C test ./bench --quick                  everything in small, in a minute or so: to see that it runs
//	go run -C test ./bench --only 'REST get, 64'    what matches, of "scenario, setting"
//	go run -C test ./bench --before FILE            this build beside another build of kv, in place of the peers
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
	st.before = s.before
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

// settings say how much to measure.
type settings struct {
	command     string         // how to do it again
	out         string         // directory for the results
	profileFile string         // where a profile goes, in place of figures; empty: nowhere
	before      string         // the file of another build of kv to compare with; empty: none
	only        *regexp.Regexp // of what cells are called
	rounds      int            // how often each is measured
	duration    time.Duration  // how long, each time
	timeout     time.Duration  // how long everything may take
	connections []int          // of REST
	calls       []inFlight     // of gRPC
	watchers    []int          // how many
	entries     []int          // how many entries
}

// inFlight is how many connections there are, and how many calls are open on each.
type inFlight struct{ connections, calls int }

func (f inFlight) String() string {
	return fmt.Sprintf("%s × %d", count(f.connections, "connection"), f.calls)
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	var s settings
	f.StringVar(&s.out, "out", "out", "`directory` for results.txt, results.json and results.svg, as seen from bench/")
	f.StringVar(&s.profileFile, "profile", "", "measure nothing, but write a profile for the store's build to `file`")
	f.StringVar(&s.before, "before", "", "compare with another build of kv, in `file`, in place of the peers")
	f.IntVar(&s.rounds, "rounds", 5, "how often each is measured")
	f.DurationVar(&s.duration, "duration", 3*time.Second, "how long each is measured, each time")
	f.DurationVar(&s.timeout, "timeout", 2*time.Hour, "how long everything may take")
	only := f.String("only", "", "`regexp` of what to measure, such as 'REST get, 64'; it is matched with \"scenario, setting\"")
	quick := f.Bool("quick", false, "measure little of everything: to see that it runs, not for the figures")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.connections = []int{1, 16, 64, 256}
	s.calls = []inFlight{{8, 8}, {8, 32}, {64, 1}}
	s.watchers = []int{1, 100, 1000, 10_000}
	s.entries = []int{10_000, 100_000, 1_000_000, 10_000_000}
	if *quick {
		s.hurry(f)
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	if s.rounds < 1 || s.duration < 50*time.Millisecond {
		return s, fmt.Errorf("--rounds and --duration: measure at least once, for 50ms or more")
	}
	s.command = command(f)
	return s, nil
}

// hurry measures little, except where the command line says how much.
func (s *settings) hurry(f *flag.FlagSet) {
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["rounds"] {
		s.rounds = 2
	}
	if !given["duration"] {
		s.duration = 200 * time.Millisecond
	}
	s.watchers = []int{1, 100}
	s.entries = []int{10_000, 100_000}
}

// command returns the command line, without where the results go.
func command(f *flag.FlagSet) string {
	words := []string{"go run -C test ./bench"}
	f.Visit(func(f *flag.Flag) {
		switch value := f.Value.String(); {
		case f.Name == "out":
		case value == "true":
			words = append(words, "--"+f.Name)
		case strings.ContainsAny(value, " |()*'"):
			words = append(words, fmt.Sprintf("--%s '%s'", f.Name, value))
		default:
			words = append(words, "--"+f.Name, value)
		}
	})
	return strings.Join(words, " ")
}

// count says how many there are of what word names.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return thousands(n) + " " + word + "s"
}

// thousands writes n with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
