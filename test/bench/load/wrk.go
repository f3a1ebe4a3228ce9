package load

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"key-value/internal/testkit/proc"
)

// script has wrk send requests from a file, one after the other.
//
//go:embed requests.lua
var script []byte

// Requests is a file of HTTP/1.1 requests for [Wrk].
type Requests struct{ script, file string }

// NewRequests returns a file in dir. It exists once it is written.
func NewRequests(dir, name string) Requests {
	return Requests{script: filepath.Join(dir, "requests.lua"), file: filepath.Join(dir, name)}
}

// Write writes requests, each complete with its headers.
func (r Requests) Write(requests []string) error {
	var text bytes.Buffer
	for _, request := range requests {
		fmt.Fprintf(&text, "%d\n%s", len(request), request)
	}
	return errors.Join(os.WriteFile(r.script, script, 0o600), os.WriteFile(r.file, text.Bytes(), 0o600))
}

// Wrk sends requests to the server at url for d, in a closed loop on each connection, starting with request number first.
func Wrk(ctx context.Context, url string, requests Requests, first, connections int, d time.Duration) (Result, error) {
	ctx, cancel := bounded(ctx, d)
	defer cancel()
	wrk, err := proc.Command{Path: "wrk", Args: []string{
		"--threads", "1", "--connections", strconv.Itoa(connections),
		"--duration", "600s", "--timeout", "10s", "--script", requests.script, url,
		"--", requests.file, strconv.Itoa(first),
	}}.Start()
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = wrk.Kill() }() // it has ended unless it is stuck
	if _, err := wrk.WaitFor(ctx, wrk.Out, "prepared\n"); err != nil {
		return Result{}, err
	}
	// wrk counts only whole seconds by itself. On an interrupt it reports what it has done so far.
	time.AfterFunc(d, func() { _ = wrk.Signal(syscall.SIGINT) }) // it may have ended
	select {
	case <-wrk.Exited():
	case <-ctx.Done():
		return Result{}, fmt.Errorf("%s: %w", wrk, context.Cause(ctx))
	}
	if wrk.ExitCode() != 0 {
		return Result{}, fmt.Errorf("%s: %v\n%s%s", wrk, wrk.State(), wrk.Out, wrk.Log)
	}
	return parseWrk(wrk.Out.String())
}

var (
	wrkCount  = regexp.MustCompile(`(?m)^\s*([0-9]+) requests in `)
	wrkRate   = regexp.MustCompile(`(?m)^Requests/sec:\s+([0-9.]+)$`)
	wrkStatus = regexp.MustCompile(`(?m)^\s*Non-2xx or 3xx responses: .*$`)
	wrkSocket = regexp.MustCompile(`(?m)^\s*Socket errors: .*$`)
)

func parseWrk(out string) (Result, error) {
	for _, failure := range []*regexp.Regexp{wrkStatus, wrkSocket} {
		if line := failure.FindString(out); line != "" {
			return Result{}, fmt.Errorf("wrk: %s", strings.TrimSpace(line))
		}
	}
	return result(wrkRate, wrkCount, "wrk", out)
}

// result parses the groups of two patterns.
func result(perSecond, count *regexp.Regexp, program, out string) (r Result, err error) {
	if r.PerSecond, err = number(perSecond, program, out); err == nil {
		r.Count, err = number(count, program, out)
	}
	return r, err
}

// number parses the group of pattern, which must be more than zero.
func number(pattern *regexp.Regexp, program, out string) (float64, error) {
	match := pattern.FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("%s printed no figure for %s: %s", program, pattern, out)
	}
	value, err := strconv.ParseFloat(match[1], 64)
	if err != nil || value <= 0 {
		return 0, fmt.Errorf("%s did nothing: %s", program, out)
	}
	return value, nil
}
