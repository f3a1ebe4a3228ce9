package load

import (
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
)

// RedisTest says what redis-benchmark does.
type RedisTest struct {
	Command string // "get" or "set"
	// Words are a command that replaces Command. In them, __rand_int__ stands for one of Keys numbers, and {tag} in
	// keys for a hash tag of the node that gets the command.
	Words       []string
	Cluster     bool // whether addr is a node of a cluster, all of whose primaries share the load
	Connections int
	Pipeline    int // commands sent at once on each connection
	Keys        int // number of random keys
}

// tryout is the number of commands of a first run, from whose rate the number for the real run follows: redis-benchmark
// counts commands, not seconds.
const tryout = 20_000

// Redis runs a test against addr for about d.
func Redis(ctx context.Context, addr string, test RedisTest, d time.Duration) (Result, error) {
	ctx, cancel := bounded(ctx, d)
	defer cancel()
	perSecond, err := test.Run(ctx, addr, tryout)
	if err != nil {
		return Result{}, err
	}
	commands := max(tryout, int(perSecond*d.Seconds()))
	perSecond, err = test.Run(ctx, addr, commands)
	return Result{perSecond, float64(tryout + commands)}, err
}

// Run sends the given number of commands. It returns the rate per second.
func (t RedisTest) Run(ctx context.Context, addr string, commands int) (float64, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	args := []string{
		"-h", host, "-p", port, "--csv",
		"-c", strconv.Itoa(t.Connections), "-P", strconv.Itoa(t.Pipeline), "-r", strconv.Itoa(t.Keys),
		"-d", strconv.Itoa(dataset.ValueBytes), "-n", strconv.Itoa(commands),
	}
	if t.Cluster {
		args = append(args, "--cluster")
	}
	if len(t.Words) > 0 {
		args = append(args, t.Words...)
	} else {
		args = append(args, "-t", t.Command)
	}
	out, err := proc.Command{Path: "redis-benchmark", Args: args}.Output(ctx)
	if err != nil {
		return 0, err
	}
	return parseRedis(out)
}

// parseRedis returns the column "rps" of the only test in out. A list of the cluster's nodes may precede the table.
func parseRedis(out string) (float64, error) {
	table := max(0, strings.Index(out, `"test",`))
	rows, err := csv.NewReader(strings.NewReader(out[table:])).ReadAll()
	if err != nil || len(rows) != 2 {
		return 0, fmt.Errorf("redis-benchmark printed no table of one test: %s", out)
	}
	for i, name := range rows[0] {
		if name != "rps" {
			continue
		}
		if value, err := strconv.ParseFloat(rows[1][i], 64); err == nil && value > 0 {
			return value, nil
		}
	}
	return 0, fmt.Errorf("redis-benchmark printed no rate: %s", out)
}
