// Command costs measures what a connection, a watch and a call take of a server's memory, and writes the table of
// docs/guides/limits.md. It builds the store and starts it on loopback, once for each figure. Peers with a key open
// connections and make requests. The figure is the resident memory that the process has more than before, divided by the
// number of connections, watches or calls. It needs Linux, and 10,100 open files.
//
//	go run -C test ./costs --guide ../docs/guides/limits.md
//	go run -C test ./costs --only 'idle|gRPC'
//
// The collector of the server runs as it does for a large heap: there is little garbage in the figures. The profiles of the
// heap and of the goroutines that belong to a figure are written with --profiles.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"key-value/internal/testkit/proc"
	"key-value/test/record"
	"key-value/test/selfsigned"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "costs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("only", "", "regular expression for rows and columns, such as 'idle.*gRPC'")
	guide := flag.String("guide", "", "file whose table is replaced; empty: the table is printed")
	profiles := flag.String("profiles", "", "directory for profiles; empty: none")
	flag.Parse()
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("invalid --only: %w", err)
	}
	dir, err := os.MkdirTemp("", "costs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := stage{profiles: *profiles}
	if s.kv, err = proc.BuildKV(ctx, dir); err != nil {
		return err
	}
	if s.cert, s.key, err = selfsigned.Write(dir); err != nil {
		return err
	}
	var t table
	for _, k := range kinds() {
		if !chosen.MatchString(k.name()) {
			continue
		}
		each, err := s.measure(ctx, k)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name(), err)
		}
		fmt.Fprintf(os.Stderr, "%s: %.1f KiB\n", k.name(), each/(1<<10))
		t.add(k, each)
	}
	if *guide == "" {
		fmt.Print(t.markdown())
		return nil
	}
	return record.Replace(*guide, "task costs", t.markdown())
}

// name returns what the kind is called in messages.
func (k kind) name() string { return k.row + ", " + columns[k.column] }
