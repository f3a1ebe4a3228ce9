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

// RedisTest is what redis-benchmark does.
type RedisTest struct {
	Command string // "get" or "set"
	// Words are a command to make in place of Command: __rand_int__ in them stands for one of Keys numbers, and {tag} in
	// keys for a hash tag of the node that gets the command.
	Words       []string
	Cluster     bool // whether addr is a node of a cluster, all primaries of which share the load
	Connections int
	Pipeline    int // commands sent at once on each connection
	Keys        int // how many keys are used, at random
}

// tryout is how many commands say how many the time allows: redis-benchmark counts commands, not seconds.
const tryout = 20_000

// Redis runs a test against addr for about d. It returns how many commands were answered in a second.
func Redis(ctx context.Context, addr string, test RedisTest, d time.Duration) (float64, error) {
	ctx, cancel := bounded(ctx, d)
	defer cancel()
	perSecond, err := test.Run(ctx, addr, tryout)
	if err != nil {
		return 0, err
	}
	return test.Run(ctx, addr, max(tryout, int(perSecond*d.Seconds())))
}

// Run makes so many commands. It returns how many were answered in a second.
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

// parseRedis reads the column "rps" of the one test in out. Before the table, it may say which nodes a cluster has.
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
