// Command bench measures the key-value store against its peers: on one machine, in one run, in alternation.
//
//	go run -C test ./bench                          everything; about 13 minutes
//	go run -C test ./bench --quick                  a little of everything, in about a minute: only to see that it works
//	go run -C test ./bench --only 'REST get, 64'    what matches, of "scenario, setting"
//	go run -C test ./bench --before FILE            this build beside another build of kv, in place of the peers
//	go run -C test ./bench --out DIR                where results.txt, .json and .svg are written
//	go run -C test ./bench --page FILE              the page whose tables are replaced
//	go run -C test ./bench --profile ../cmd/kv/default.pgo --duration 10s    the profile that `task build` uses
//
// (The suites have a module of their own, so that the peers' dependencies are not the store's. It needs -C, so DIR is
// relative to test/.)
//
// It builds the store from the working tree as `task build` does, starts it and each peer on loopback, fills them with
// the same entries, and loads them with wrk, h2load and redis-benchmark one after the other, in rounds whose order
// changes. A ratio is the median of the ratios within the rounds, so that a temporary disturbance of the machine
// affects both sides. Everything runs at real-time priority if the system allows it. Programs that are not installed are
// reported as missing. All servers end with the benchmark, also on Ctrl-C.
//
// docs/benchmarks.md says what is compared, why that is fair, and what the results were.
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

	"key-value/test/record"
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
	if s.realTime {
		toRealTime(ctx, args, stderr)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("not done within %v", s.timeout))
	defer cancel()
	all, err := newServers(stderr)
	if err != nil {
		return err
	}
	defer all.close()
	all.before = s.before
	b := &bench{settings: s, servers: all, progress: stderr}
	if s.profileFile != "" {
		return b.profile(ctx)
	}
	outcomes, err := b.measure(ctx)
	if err != nil {
		return err
	}
	r := newResults(ctx, s, outcomes)
	return errors.Join(r.print(stdout), r.write(s.out), r.writePage(s.page))
}

// bench is one run.
type bench struct {
	settings
	servers  *servers
	progress io.Writer
}

// measure runs all scenarios. It starts nothing for those that do not match --only.
func (b *bench) measure(ctx context.Context) ([]outcome, error) {
	var all []outcome
	for _, scenario := range []func(context.Context) ([]outcome, error){
		b.rest, b.connect, b.grpc, b.clients, b.batches, b.watches, b.variants, b.durable, b.snapshots, b.diskUse, b.loads, b.growth, b.memory,
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

// The numbers of entries of stores with a log in a full run.
const (
	loggedEntries = 1_000_000
	loadedEntries = 10_000_000
)

// settings say what to measure, and for how long.
type settings struct {
	command     string         // repeats this run
	out         string         // directory for the results
	page        string         // file whose tables are replaced; empty: none
	realTime    bool           // whether to run at real-time priority if possible
	profileFile string         // where to write a profile instead of measuring; empty: measure
	before      string         // file of another build of kv to compare with; empty: none
	only        *regexp.Regexp // matched with "scenario, setting"
	rounds      int            // how often each contender is measured
	duration    time.Duration  // of one measurement
	timeout     time.Duration  // of the whole run
	connections []int          // for REST
	calls       []inFlight     // for gRPC
	watchers    []int          // numbers of watches
	entries     []int          // numbers of entries
	logged      int            // number of entries of a store that writes snapshots
	loaded      int            // number of entries of a store that is started
}

// inFlight is the number of connections, and of open calls on each.
type inFlight struct{ connections, calls int }

func (f inFlight) String() string {
	return fmt.Sprintf("%s × %d", count(f.connections, "connection"), f.calls)
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	var s settings
	f.StringVar(&s.out, "out", "out", "`directory` for results.txt, results.json and results.svg, relative to test/")
	f.StringVar(&s.page, "page", "", "`file` whose tables are replaced, such as ../docs/benchmarks.md")
	f.BoolVar(&s.realTime, "realtime", true, "run at real-time priority (chrt -r 10) if the system allows it")
	f.StringVar(&s.profileFile, "profile", "", "write a profile of the store to `file` instead of measuring")
	f.StringVar(&s.before, "before", "", "compare with another build of kv, in `file`, instead of the peers")
	f.IntVar(&s.rounds, "rounds", 5, "how often to measure each contender")
	f.DurationVar(&s.duration, "duration", time.Second, "duration of one measurement")
	f.DurationVar(&s.timeout, "timeout", time.Hour, "time limit of the whole run")
	only := f.String("only", "", "`regexp` of what to measure, matched with \"scenario, setting\", such as 'REST get, 64'")
	quick := f.Bool("quick", false, "measure only a little of everything, to see that it works")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.connections = []int{1, 64, 256}
	s.calls = []inFlight{{8, 8}, {8, 32}, {64, 1}}
	s.watchers = []int{1, 100, 1000, 10_000}
	s.entries = []int{10_000, 100_000, 1_000_000}
	s.logged, s.loaded = loggedEntries, loadedEntries
	if *quick {
		s.hurry(f)
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	if s.rounds < 1 || s.duration < 50*time.Millisecond {
		return s, fmt.Errorf("--rounds must be at least 1 and --duration at least 50ms")
	}
	s.command = command(f)
	return s, nil
}

// hurry reduces what is measured, except for flags that were given.
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
	s.logged, s.loaded = 500_000, 100_000
}

// command returns the command line without --out and --page.
func command(f *flag.FlagSet) string {
	words := []string{"go run -C test ./bench"}
	f.Visit(func(f *flag.Flag) {
		switch value := f.Value.String(); {
		case f.Name == "out", f.Name == "page":
		case value == "true":
			words = append(words, "--"+f.Name)
		case value == "false":
			words = append(words, "--"+f.Name+"=false")
		case strings.ContainsAny(value, " |()*'"):
			words = append(words, fmt.Sprintf("--%s '%s'", f.Name, value))
		default:
			words = append(words, "--"+f.Name, value)
		}
	})
	return strings.Join(words, " ")
}

// count returns n with a noun, in the plural unless n is 1.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return record.Thousands(n) + " " + word + "s"
}
