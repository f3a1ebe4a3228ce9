// Command attack attacks the store, to show that no peer can take memory, connections or time from others, whether it has
// an API key or not. It builds the store and starts it on loopback, once for each attack. While hostile peers work, a
// well-behaved caller with a key of its own measures its latency. Afterwards, the most memory that the server had is
// compared with the attack's bound. It needs Linux.
//
//	go run -C test ./attack --out ../docs/reliability
//	go run -C test ./attack --quick
//
// The hostile peers are a process of their own on 127.0.0.2 with a low priority. Their number and the time are bounded,
// and they connect to loopback only. The exit code is 1 if an attack that the store is known to withstand breaks a bound;
// others are reported as broken.
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
	"syscall"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/hostile"
	"key-value/test/record"
)

// stopGrace is how long a program may take to stop before it is killed.
const stopGrace = 3 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout io.Writer) error {
	quick := flag.Bool("quick", false, "the short form, of less than a minute: only attacks that the store is known to withstand")
	only := flag.String("only", "", "regular expression for the names of attacks")
	out := flag.String("out", "", "directory for attack.txt and attack.json; empty: none")
	be := flag.String("be", "", "run the peers of this attack against the address in the argument; used internally")
	flag.Parse()
	if *be != "" {
		return serveAsPeers(ctx, *be, flag.Arg(0))
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("invalid --only: %w", err)
	}
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newStage(ctx, dir, *quick)
	if err != nil {
		return err
	}
	all := results{Commit: record.Commit(ctx), Time: time.Now().UTC().Truncate(time.Second)}
	for _, a := range attacks() {
		if !chosen.MatchString(a.Name) || *quick && !a.holds {
			continue
		}
		row, err := s.measure(ctx, a)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		all.Attacks = append(all.Attacks, row)
		fmt.Fprintln(os.Stderr, row)
	}
	return errors.Join(all.print(stdout), record.Write(*out, "attack", all, all.print), all.verdict())
}

// serveAsPeers runs the peers of an attack until ctx is done.
func serveAsPeers(ctx context.Context, name, addr string) error {
	for _, a := range attacks() {
		if a.Name == name {
			a.Begin(ctx, addr)
			return nil
		}
	}
	return fmt.Errorf("unknown attack %q", name)
}

// loose starts the peers of an attack, and returns what ends them.
func loose(a attack, addr string) (end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	peers, err := proc.Command{Path: "nice", Args: []string{"-n", "19", self, "--be", a.Name, addr}, Log: os.Stderr}.Start()
	if err != nil {
		return nil, err
	}
	return func() { _ = peers.Kill() }, nil
}

// environment of the server: the peers have the key of package hostile, and the caller one of its own.
func environment(keys string) []string {
	return []string{"KV_API_KEY=" + hostile.APIKey, "KV_API_KEYS_FILE=" + keys}
}
