// Package storetest is the contract of package store as a test suite.
//
// The test of an engine is one call of [Run] with a factory. There are no options: an engine that does not pass does
// not obey the contract. The engine need not be in this process, nor the clock be fake: checks wait for what takes
// time, and never sleep. [RunExact] adds what only a fake clock can show, for engines that keep time themselves. In
// short mode, random checks run fewer rounds.
//
// The comparisons behind Run are exported, so that they can be applied to a client of the service too: [CheckModel]
// for sequential calls, [Workload] and [CheckLinearizable] for concurrent calls, and [Journal], [Follower] and
// [CheckWatch] for watches.
package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"key-value/kvservice/store"
)

// T is the part of [testing.T] that a check uses.
type T interface {
	rapid.TB
	Context() context.Context
}

// Check is one rule of the contract.
type Check struct {
	Name string // a sentence
	Run  func(t T, e store.Engine)
}

// Run tests the engines that open creates against the contract. Every check gets its own empty engine, which open
// closes with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Engine) {
	for _, check := range Checks() {
		t.Run(check.Name, func(t *testing.T) { check.Run(t, open(t)) })
	}
}

// rounds returns how often a random check runs: n times, or a fifth of that in short mode.
func rounds(n int) int {
	if testing.Testing() && testing.Short() {
		return max(1, n/5)
	}
	return n
}

// Checks returns the contract.
func Checks() []Check {
	return slices.Concat(FixedChecks(), propertyChecks, historyChecks, concurrencyChecks)
}

// FixedChecks returns the part of the contract whose calls are not random. It takes a fraction of the time, and is enough for an
// engine that obeys the whole contract in another arrangement.
func FixedChecks() []Check {
	return slices.Concat(operationChecks, preconditionChecks, incrementChecks, batchChecks, listChecks, deleteRangeChecks, expiryChecks,
		watchChecks, revisionChecks, roomChecks, statsChecks)
}

// Try runs a check outside a test and returns its failure.
func (c Check) Try(ctx context.Context, e store.Engine) error {
	r := &recorder{ctx: ctx, name: c.Name}
	var done sync.WaitGroup
	done.Go(func() { c.Run(r, e) })
	done.Wait()
	if r.Failed() {
		return fmt.Errorf("%s: %s", c.Name, strings.Join(r.log, "\n"))
	}
	return nil
}

// recorder is a T that records failures.
type recorder struct {
	ctx  context.Context
	name string

	mu     sync.Mutex
	log    []string // guarded by mu
	failed bool     // guarded by mu
}

func (r *recorder) Helper()                  {}
func (r *recorder) Name() string             { return r.name }
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Log(args ...any)          { r.Logf("%s", fmt.Sprint(args...)) }
func (r *recorder) Error(args ...any)        { r.Errorf("%s", fmt.Sprint(args...)) }
func (r *recorder) Fatal(args ...any)        { r.Fatalf("%s", fmt.Sprint(args...)) }
func (r *recorder) Skip(args ...any)         { r.Skipf("%s", fmt.Sprint(args...)) }
func (r *recorder) SkipNow()                 { runtime.Goexit() }

func (r *recorder) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *recorder) Errorf(format string, args ...any) {
	r.Logf(format, args...)
	r.Fail()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Logf(format, args...)
	r.FailNow()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.Logf(format, args...)
	r.SkipNow()
}

func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *recorder) Fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}
