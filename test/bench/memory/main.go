// Command memory measures memory per entry, beside redis-server on the same machine.
//
//	go run -C test ./bench/memory                      10,000 to 1,000,000 entries
//	go run -C test ./bench/memory -entries 10000000    the given number of entries
//	GOGC=100 go run -C test ./bench/memory             with another garbage collector setting than ours
//
// Keys have 16 bytes and values 64. Ours also have a TTL each and an ordered index; Redis has plain strings. Each side
// runs in its own process. It is loaded in random order, and then every entry is overwritten twice. The figures are how
// much the process has grown since it was empty, in bytes per entry: after loading, after a rest, and at the peak while
// entries were overwritten. Without redis-server the peer is left out.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("memory", flag.ExitOnError)
	entries := flags.String("entries", "10000,100000,1000000", "numbers of entries, one table row each")
	child := flags.Bool("child", false, "measure our side in this process, and print only numbers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	sizes, err := parseSizes(*entries)
	if err != nil {
		return err
	}
	if *child {
		return printOurs(stdout, sizes[0])
	}
	return printTable(stdout, sizes)
}

func parseSizes(text string) ([]int, error) {
	var sizes []int
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-entries: %q is not a number of entries", word)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

func printTable(stdout io.Writer, sizes []int) error {
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "entries\twho\tempty MiB\tloaded\tat rest\toverwritten\tcounted\tlongest GC pause\tcollections\t")
	for _, n := range sizes {
		ours, err := measureOurs(n)
		if err != nil {
			return err
		}
		ours.print(t, n, "memory")
		redis, err := measureRedis(n)
		if err != nil {
			return err
		}
		if redis.loaded > 0 {
			redis.print(t, n, "redis")
			fmt.Fprintf(t, "\tratio\t\t%.2f\t%.2f\t%.2f\t\t\t\t\n", ours.loaded/redis.loaded, ours.rest/redis.rest, ours.peak/redis.peak)
		}
	}
	return t.Flush()
}
