package wal_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

// openDir opens the log in a directory of the operating system.
func openDir(t *testing.T, path string, o wal.Options) (*wal.Log, *picture) {
	t.Helper()
	dir, err := vfs.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	found := &picture{}
	l, err := wal.Open(dir, o, found)
	if err != nil {
		t.Fatal(err)
	}
	return l, found
}

// engine appends to a log as an engine does, from many goroutines.
type engine struct {
	mu      sync.Mutex
	log     *wal.Log
	next    uint64 // guarded by mu
	all     []wal.Change
	forgets bool // all stays empty
}

func (e *engine) write(ctx context.Context, key string, value []byte) error {
	if err := e.log.Admit(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	if err := e.log.Reserve(1, len(key)+len(value), false); err != nil {
		e.mu.Unlock()
		return err
	}
	c := wal.Change{Kind: wal.Put, Revision: e.next, Updated: 1, Key: key, Value: value}
	e.next++
	if !e.forgets {
		e.all = append(e.all, c)
	}
	e.log.Append([]wal.Change{c})
	e.mu.Unlock()
	return e.log.Wait(ctx, c.Revision)
}

func TestWritersAndSnapshotsOnARealDisk(t *testing.T) {
	for name, fsync := range modes {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			o := wal.Options{Fsync: fsync, SegmentBytes: 64 << 10, SnapshotBytes: 64 << 10}
			e := &engine{next: 1}
			for range 3 {
				var found *picture
				e.log, found = openDir(t, path, o)
				comparePicture(t, found, e.all)
				writeConcurrently(t, e)
				if err := e.log.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// writeConcurrently writes from eight goroutines, and takes snapshots when they are due.
func writeConcurrently(t *testing.T, e *engine) {
	t.Helper()
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 200 {
				if err := e.write(t.Context(), fmt.Sprintf("key-%d", (i+j)%100), make([]byte, 50+j)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		select {
		case <-e.log.SnapshotDue():
			snapshotOf(t, e)
		case <-done:
			return
		}
	}
}

func snapshotOf(t *testing.T, e *engine) {
	e.mu.Lock()
	s, err := e.log.Cut()
	all := e.all[:len(e.all):len(e.all)]
	e.mu.Unlock()
	if errors.Is(err, wal.ErrFull) {
		return // the next segment is not allocated yet
	}
	if err != nil {
		t.Error(err)
		return
	}
	state := stateOf(all)
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if err := s.Add(state[key]); err != nil {
			t.Error(err)
		}
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

func comparePicture(t *testing.T, found *picture, all []wal.Change) {
	t.Helper()
	if found.err != nil {
		t.Fatal(found.err)
	}
	want := stateOf(all)
	if len(found.state) != len(want) {
		t.Fatalf("%d entries are loaded, want %d", len(found.state), len(want))
	}
	for key, c := range want {
		if !same(found.state[key], c) {
			t.Fatalf("the entry of %s is %v, want %v", key, found.state[key], c)
		}
	}
}

func TestADirectoryHasOneLog(t *testing.T) {
	path := t.TempDir()
	l, _ := openDir(t, path, wal.Options{})
	dir, _ := vfs.OpenDir(path)
	if _, err := wal.Open(dir, wal.Options{}, &picture{}); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("a second Open fails with %v, want ErrLocked", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, _ = openDir(t, path, wal.Options{})
	_ = l.Close()
}

func TestNothingIsToldAfterAFailedSync(t *testing.T) {
	for name, fsync := range map[string]time.Duration{"always": wal.Always, "1s": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := simfs.New()
				var broken atomic.Bool
				disk.Before = func(op simfs.Op, _ string) error {
					if op == simfs.Sync && broken.CompareAndSwap(true, false) { // the next one would succeed
						return simfs.ErrIO
					}
					return nil
				}
				l, err := wal.Open(disk, wal.Options{Fsync: fsync}, &picture{})
				if err != nil {
					t.Fatal(err)
				}
				e := &engine{log: l, next: 1}
				if err := e.write(t.Context(), "a", nil); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				broken.Store(true)
				_ = e.write(t.Context(), "b", nil)
				<-l.Failed()
				told := l.Told()
				if err := e.write(t.Context(), "c", nil); !errors.Is(err, wal.ErrFailed) || !errors.Is(err, simfs.ErrIO) {
					t.Errorf("a write after that fails with %v, want ErrFailed and the cause", err)
				}
				if l.Told() != told {
					t.Errorf("revision %d is told, want %d", l.Told(), told)
				}
				_ = l.Close()
			})
		})
	}
}

func TestWritesWaitForALogThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := simfs.New()
		stall := make(chan struct{})
		var stalled atomic.Bool
		disk.Before = func(op simfs.Op, _ string) error {
			if stalled.Load() && op == simfs.Sync {
				<-stall
			}
			return nil
		}
		l, err := wal.Open(disk, wal.Options{Fsync: time.Second, Patience: 3 * time.Second}, &picture{})
		if err != nil {
			t.Fatal(err)
		}
		e := &engine{log: l, next: 1}
		stalled.Store(true)
		if err := e.write(t.Context(), "a", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(900 * time.Millisecond)
		if err := e.write(t.Context(), "b", nil); err != nil {
			t.Errorf("a write within the bound fails with %v", err)
		}
		time.Sleep(200 * time.Millisecond)
		begin := time.Now()
		if err := e.write(t.Context(), "c", nil); !errors.Is(err, wal.ErrBehind) || time.Since(begin) != 3*time.Second {
			t.Errorf("a write after the bound fails with %v after %v, want ErrBehind after 3s", err, time.Since(begin))
		}
		time.AfterFunc(time.Second, func() { close(stall) })
		if err := e.write(t.Context(), "d", nil); err != nil {
			t.Errorf("a write that waits for the disk fails with %v", err)
		}
		if len(e.all) != 3 {
			t.Errorf("%d writes were appended, want 3", len(e.all))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullDiskRefusesWritesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := simfs.New()
		o := wal.Options{SegmentBytes: 4096}
		l, err := wal.Open(disk, o, &picture{})
		if err != nil {
			t.Fatal(err)
		}
		e := &engine{log: l, next: 1}
		synctest.Wait()
		disk.SetCapacity(disk.Used())
		n := 0
		for err == nil {
			err = e.write(t.Context(), "key", make([]byte, 50))
			n++
		}
		if !errors.Is(err, wal.ErrFull) || n < 5 {
			t.Fatalf("write %d fails with %v, want ErrFull later", n, err)
		}
		if err := l.Reserve(1, 3, true); err != nil {
			t.Errorf("a removal fails with %v", err)
		}
		c := wal.Change{Kind: wal.Delete, Revision: e.next, Key: "key"}
		e.next++
		e.all = append(e.all, c)
		l.Append([]wal.Change{c})
		if err := l.Wait(t.Context(), c.Revision); err != nil {
			t.Error(err)
		}
		disk.SetCapacity(0)
		time.Sleep(time.Second)
		if err := e.write(t.Context(), "other", nil); err != nil {
			t.Errorf("with room again, a write fails with %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		found := &picture{}
		if l, err = wal.Open(disk, o, found); err != nil {
			t.Fatal(err)
		}
		comparePicture(t, found, e.all)
		_ = l.Close()
	})
}

func TestWhatHasNoRoomIsWrittenOnceThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := simfs.New()
		l, err := wal.Open(disk, wal.Options{SegmentBytes: 1024}, &picture{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		disk.SetCapacity(disk.Used())
		var all []wal.Change
		for i := range 100 { // as entries that expire
			c := wal.Change{Kind: wal.Expire, Revision: uint64(i + 1), Key: "a key that expires"}
			l.Append([]wal.Change{c})
			all = append(all, c)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Wait(ctx, 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait fails with %v, want the error of its context", err)
		}
		disk.SetCapacity(0)
		if err := l.Wait(t.Context(), 100); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		found := &picture{}
		if l, err = wal.Open(disk, wal.Options{SegmentBytes: 1024}, found); err != nil {
			t.Fatal(err)
		}
		if len(found.log) != len(all) {
			t.Errorf("%d changes are loaded, want %d", len(found.log), len(all))
		}
		_ = l.Close()
	})
}

func TestTheDirectoryStaysSmall(t *testing.T) {
	disk := simfs.New()
	o := wal.Options{SegmentBytes: 8 << 10, SnapshotBytes: 8 << 10, HistoryBytes: 1 << 10}
	l, err := wal.OpenStill(disk, o, &picture{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var all []wal.Change
	data := 0 // bytes of the entries, once all keys exist
	for i := range 3000 {
		c := wal.Change{Kind: wal.Put, Revision: uint64(i + 1), Key: fmt.Sprintf("key-%03d", i*7%200), Value: make([]byte, 300)}
		if err := l.Reserve(1, len(c.Key)+len(c.Value), false); err != nil {
			t.Fatal(err)
		}
		if i < 200 {
			data += len(c.Key) + len(c.Value)
		}
		l.Append([]wal.Change{c})
		all = append(all, c)
		if err := l.Step(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-l.SnapshotDue():
			takeSnapshot(t, l, all)
		default:
		}
		if used := disk.Used(); i > 200 && used > int64(3*data) {
			t.Fatalf("after %d changes, %d bytes of entries take %d bytes of disk", i, data, used)
		}
		if s := l.Stats(); s.DiskBytes != disk.Used() {
			t.Fatalf("Stats has %d bytes on disk, want %d", s.DiskBytes, disk.Used())
		}
	}
}
