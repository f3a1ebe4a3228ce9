// Package storetest is the contract of package store as tests.
//
// An engine's whole test is one call of [Run] with a factory. There are no options: an engine that does
// not pass does not obey the contract. Nothing here needs the engine to be in this process or the clock to
// be a fake one: what takes time is awaited, never slept through. [RunExact] adds what only fake time can
// show, for engines that keep time themselves.
//
// What [Run] finds out by comparing is exported, so that it can be found out about a client of the service
// too: [CheckModel] for calls one after another, [Workload] and [CheckLinearizable] for concurrent ones,
// [Journal], [Follower] and [CheckWatch] for what a watch delivers.
package storetest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"key-value/kvservice/store"
)

// T is what a check needs of [testing.T].
type T interface {
	rapid.TB
	Context() context.Context
}

// Check is one rule of the contract.
type Check struct {
	Name string // a sentence
	Run  func(t T, e store.Engine)
}

// Run tests the engines that open makes against the contract. Every check gets one of its own, with no
// entries in it; open has it closed by t.Cleanup.
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
	var all []Check
	for _, part := range [][]Check{
		operationChecks, preconditionChecks, incrementChecks, batchChecks, listChecks, expiryChecks,
		watchChecks, statsChecks, propertyChecks, historyChecks, concurrencyChecks,
	} {
		all = append(all, part...)
	}
	return all
}

// Try runs a check outside a test and returns what it found wrong.
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

// recorder is a T that keeps what a check says.
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
