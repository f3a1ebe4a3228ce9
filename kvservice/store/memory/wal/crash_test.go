package wal_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

// crashes returns how many crashes a test tries: a few thousand, or KV_CRASHES.
func crashes(t *testing.T) int {
	text := os.Getenv("KV_CRASHES")
	if text == "" {
		return 4000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("KV_CRASHES is %q: want a number", text)
	}
	return n
}

// seed returns the seed of the first history: KV_SEED, or a random one.
func seed(t *testing.T) uint64 {
	text := os.Getenv("KV_SEED")
	if text == "" {
		return rand.Uint64N(1 << 40)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("KV_SEED is %q: want a number", text)
	}
	return n
}

var modes = map[string]time.Duration{"always": wal.Always, "1s": time.Second, "never": wal.Never}

func TestNoCrashTakesBackWhatWasTold(t *testing.T) {
	for name, fsync := range modes {
		t.Run(name, func(t *testing.T) {
			begin, n := seed(t), 0
			for s := begin; n < crashes(t)/len(modes); s++ {
				h := newHistory(s, fsync)
				if err := h.run(); err != nil {
					t.Fatalf("history %d (KV_SEED=%[1]d): %v\n%s", s, err, h.story())
				}
				n += h.crashes
			}
			t.Logf("%d crashes, from KV_SEED=%d", n, begin)
		})
	}
}

func TestTheCrashTestFindsBugs(t *testing.T) {
	type spoiled func(*history)
	bugs := map[string]spoiled{
		"the directory is not synced":            func(h *history) { h.lie = simfs.SyncDir },
		"files are not synced":                   func(h *history) { h.lie = simfs.Sync },
		"a start does not sync what it reads":    func(h *history) { h.lie = syncAtStart },
		"the epoch stays the same after a start": func(h *history) { h.sameEpoch = true },
	}
	for name, bug := range wal.Bugs {
		bugs[name] = func(h *history) { h.spoilLog, h.spoilCut = bug.Log, bug.Cut }
	}
	for name, bug := range bugs {
		t.Run(name, func(t *testing.T) {
			for s := range uint64(500) {
				h := newHistory(s, wal.Always)
				bug(h)
				if h.run() != nil {
					return
				}
			}
			t.Error("500 histories did not notice the bug")
		})
	}
}
