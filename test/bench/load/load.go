// Package load runs the load generators and reads what they print.
//
// All of them are programs of their own, written in C, so that they take little of the machine that they share with
// the servers. A generator that saw a single failure has measured nothing: that is an error.
package load

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// slack is how much longer than asked a generator may take.
const slack = 20 * time.Second

// packages are Debian's, by program.
var packages = map[string]string{
	"wrk":             "wrk",
	"h2load":          "nghttp2-client",
	"redis-benchmark": "redis-tools",
	"redis-server":    "redis-server",
	"webdis":          "webdis",
}

// Installed returns nil if program is, and otherwise an error that says how to install it.
func Installed(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%s is not installed: apt install %s", program, packages[program])
	}
	return nil
}

// bounded is ctx that ends some time after a generator should have.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d+slack, errors.New("the load generator did not end in time"))
}
