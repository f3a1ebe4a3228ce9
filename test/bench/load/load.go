// Package load runs load generators and parses their output.
//
// They are separate programs written in C, so that they take little of the machine that they share with the servers. If
// a generator reports a single failure, the measurement fails.
package load

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// Result is what a generator did.
type Result struct {
	PerSecond float64
	// Count is how many requests were answered, including those that do not count for PerSecond.
	Count float64
}

// slack is how much longer than requested a generator may take.
const slack = 20 * time.Second

// packages are Debian's packages, by program.
var packages = map[string]string{
	"wrk":             "wrk",
	"h2load":          "nghttp2-client",
	"redis-benchmark": "redis-tools",
	"redis-server":    "redis-server",
	"webdis":          "webdis",
	"nginx":           "nginx-light",
}

// Installed returns nil if program is installed. The error says how to install it.
func Installed(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%s is not installed: apt install %s", program, packages[program])
	}
	return nil
}

// bounded returns ctx with the deadline of a generator that runs for d.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d+slack, errors.New("the load generator did not end in time"))
}
