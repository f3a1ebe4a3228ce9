package memory_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
	"key-value/kvservice/store/storetest"
)

// modes are the ways to make entries last. Files are small, so that segments and snapshots follow on each other.
var modes = map[string]memory.Durable{
	"always": {Fsync: wal.Always, Sizes: smallFiles},
	"1s":     {Fsync: time.Second, Sizes: smallFiles},
	"never":  {Fsync: wal.Never, Sizes: smallFiles},
}

var smallFiles = wal.Options{SegmentBytes: 16 << 10, SnapshotBytes: 8 << 10}

// load returns the engine in fs.
func load(t rapid.TB, fs vfs.FS, durable memory.Durable) *memory.Engine {
	t.Helper()
	e, err := memory.Open(context.Background(), fs, memory.Options{}, durable)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return e
}

// directory returns a directory of the test.
func directory(t *testing.T) vfs.FS {
	dir, err := vfs.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestContractWithALog(t *testing.T) {
	for name, durable := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) store.Engine { return closed(t, load(t, directory(t), durable)) })
		})
	}
}

func TestContractToTheNanosecondWithALog(t *testing.T) {
	for name, durable := range modes {
		t.Run(name, func(t *testing.T) {
			storetest.RunExact(t, func() store.Engine { return load(t, simfs.New(), durable) })
		})
	}
}

func TestEnginesSurviveRestarts(t *testing.T) {
	for name, durable := range modes {
		t.Run(name, func(t *testing.T) {
			disk := simfs.New()
			ends := map[string]func(t *rapid.T) *simfs.Disk{
				"closed": nil,
				"killed": func(*rapid.T) *simfs.Disk { return disk.Kill() },
			}
			if durable.Fsync == wal.Always {
				ends["powerless"] = func(t *rapid.T) *simfs.Disk {
					return disk.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "what is left"), 0)))
				}
			}
			storetest.RunRestarts(t,
				func() store.Engine {
					disk = simfs.New()
					return load(t, disk, durable)
				},
				func(t *rapid.T, e store.Engine) store.Engine {
					next := disk
					if left := ends[rapid.SampledFrom([]string{"closed", "killed", "powerless"}).Draw(t, "end")]; left != nil {
						next = left(t)
					}
					if err := e.Close(); err != nil {
						t.Fatalf("close: %v", err)
					}
					disk = next
					time.Sleep(rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "down"))
					return load(t, disk, durable)
				})
		})
	}
}

func TestRevisionsGrowOverARestartWithALog(t *testing.T) {
	fs := directory(t)
	e := load(t, fs, modes["1s"])
	storetest.CheckRestart(t, e, func() store.Engine {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return closed(t, load(t, fs, modes["1s"]))
	})
}

// Snapshots keep the log short while writers go on, and a snapshot that has to wait for room is not one that failed.
func TestSnapshotsKeepTheLogShort(t *testing.T) {
	fs := directory(t)
	e := load(t, fs, modes["never"])
	for e.LogStats().Snapshots < 3 {
		write := store.Operation{Kind: store.Set, Key: "k", Value: make([]byte, 1000)}
		if _, err := e.Do(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	if failed := e.LogStats().SnapshotFailures; failed != 0 {
		t.Errorf("%d snapshots failed, want none", failed)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again := closed(t, load(t, fs, modes["never"]))
	if found := again.Log().Recovery(); found.Entries != 1 {
		t.Errorf("the snapshot has %d entries, want 1", found.Entries)
	}
}
