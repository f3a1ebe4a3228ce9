package load

import (
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"key-value/bench/dataset"
	"key-value/bench/process"
)

// RedisTest is what redis-benchmark does.
type RedisTest struct {
	Command     string // "get" or "set"
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
	perSecond, err := test.run(ctx, addr, tryout)
	if err != nil {
		return 0, err
	}
	return test.run(ctx, addr, max(tryout, int(perSecond*d.Seconds())))
}

func (t RedisTest) run(ctx context.Context, addr string, commands int) (float64, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	out, err := process.Output(ctx, "redis-benchmark", "-h", host, "-p", port, "--csv", "-t", t.Command,
		"-c", strconv.Itoa(t.Connections), "-P", strconv.Itoa(t.Pipeline), "-r", strconv.Itoa(t.Keys),
		"-d", strconv.Itoa(dataset.ValueBytes), "-n", strconv.Itoa(commands))
	if err != nil {
		return 0, err
	}
	return parseRedis(out)
}

// parseRedis reads the column "rps" of the one test in out.
func parseRedis(out string) (float64, error) {
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
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
