package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

// small makes many small segments and snapshots.
var small = wal.Options{SegmentBytes: 512, SnapshotBytes: 256, HistoryBytes: 1024}

// writeCommits opens the log on fs, appends n commits, takes a snapshot after half of them, and calls end.
func writeCommits(t *testing.T, fs vfs.FS, n int, end func(*wal.Log)) []wal.Change {
	t.Helper()
	found := &picture{}
	l, err := wal.OpenStill(fs, small, found, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var all []wal.Change
	for i := range n {
		c := wal.Change{
			Kind: wal.Put, Revision: l.Recovery().First + uint64(i), Updated: 1, Key: fmt.Sprintf("key-%d", i%5),
			Value: bytes.Repeat([]byte{byte('a' + i)}, 20+i),
		}
		l.Append([]wal.Change{c})
		all = append(all, c)
		if err := l.Step(); err != nil {
			t.Fatal(err)
		}
		if i == n/2 {
			takeSnapshot(t, l, all)
		}
	}
	end(l)
	return all
}

// takeSnapshot writes a snapshot of what changes leave.
func takeSnapshot(t *testing.T, l *wal.Log, changes []wal.Change) {
	t.Helper()
	s, err := l.Cut()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Step(); err != nil {
		t.Fatal(err)
	}
	state := stateOf(changes)
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if err := s.Add(state[key]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// closed returns a disk whose log was closed, and its changes.
func closed(t *testing.T) (*simfs.Disk, []wal.Change) {
	t.Helper()
	disk := simfs.New()
	all := writeCommits(t, disk, 40, func(l *wal.Log) {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return disk, all
}

func TestEveryFlippedBitOfAClosedLogIsRefused(t *testing.T) {
	disk, _ := closed(t)
	names, _ := disk.List()
	last := names[len(names)-2]
	for _, name := range names {
		whole, _ := disk.Read(name)
		for at := rand.IntN(3); at < len(whole); at += 3 {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << rand.IntN(8)
			copied := disk.Kill()
			copied.Replace(name, flipped)
			_, err := wal.OpenStill(copied, small, &picture{}, time.Now)
			var damage *wal.DamageError
			switch {
			case errors.Is(err, wal.ErrNewer) && at >= 6 && at < 8:
			case err == nil && name == last && at >= len(whole)-24: // the frame that says that the log was closed
			case !errors.As(err, &damage):
				t.Fatalf("with byte %d of %s flipped, Open fails with %v, want a *DamageError", at, name, err)
			case damage.File != name && !strings.Contains(damage.Reason, name):
				t.Fatalf("with byte %d of %s flipped, Open says %q", at, name, err)
			}
		}
	}
}

func TestFlippedBitsAfterAPowerCutAreRefusedOrCutOffTheEnd(t *testing.T) {
	disk := simfs.New()
	all := writeCommits(t, disk, 40, func(*wal.Log) {})
	disk = disk.Kill()
	names, _ := disk.List()
	last := slices.Max(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "log-") }))
	for _, name := range names {
		whole, _ := disk.Read(name)
		for at := rand.IntN(3); at < len(whole); at += 3 {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << rand.IntN(8)
			copied := disk.Kill()
			copied.Replace(name, flipped)
			found := &picture{}
			l, err := wal.OpenStill(copied, small, found, time.Now)
			if name == "spare" || err != nil && (errors.As(err, new(*wal.DamageError)) || errors.Is(err, wal.ErrNewer)) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if lost := all[len(all)-1].Revision - l.Recovery().Last; name != last || lost > 1 || lost == 1 && l.Recovery().Cut.Copy == "" {
				t.Fatalf("with byte %d of %s flipped, Open loses %d commits", at, name, lost)
			}
		}
	}
}

func TestMissingFilesAreNoticed(t *testing.T) {
	disk, _ := closed(t)
	names, _ := disk.List()
	for _, name := range names {
		copied := disk.Kill()
		if err := copied.Remove(name); err != nil {
			t.Fatal(err)
		}
		_, err := wal.OpenStill(copied, small, &picture{}, time.Now)
		past := name < "log-"+strings.TrimPrefix(names[len(names)-1], "snapshot-") // a crash may leave it removed
		last := name == names[len(names)-2]                                        // nothing after it tells that it is missing
		if !past && !last && !errors.As(err, new(*wal.DamageError)) {
			t.Errorf("without %s, Open fails with %v, want a *DamageError", name, err)
		}
	}
}

func TestZeroedAndCutSegmentsAreRefused(t *testing.T) {
	disk, _ := closed(t)
	names, _ := disk.List()
	for _, name := range names {
		whole, _ := disk.Read(name)
		for at := 0; at < len(whole); at += 16 {
			zeroed := bytes.Clone(whole)
			clear(zeroed[at:min(at+64, len(whole))])
			for what, data := range map[string][]byte{"zeros": zeroed, "an end": whole[:at]} {
				copied := disk.Kill()
				copied.Replace(name, data)
				_, err := wal.OpenStill(copied, small, &picture{}, time.Now)
				end := what == "an end" || at+64 > len(whole)-24 // where the frame is that says that the log was closed
				unwritten := end && name == names[len(names)-2]  // it looks as if the end had never been written
				if !errors.As(err, new(*wal.DamageError)) && !unwritten && !bytes.Equal(data, whole) {
					t.Errorf("with %s at byte %d of %s, Open fails with %v, want a *DamageError", what, at, name, err)
				}
			}
		}
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	disk, _ := closed(t)
	names, _ := disk.List()
	for _, name := range names {
		data, _ := disk.Read(name)
		data[6]++
		copied := disk.Kill()
		copied.Replace(name, data)
		_, err := wal.OpenStill(copied, small, &picture{}, time.Now)
		if !errors.Is(err, wal.ErrNewer) || !strings.Contains(err.Error(), name) {
			t.Errorf("Open fails with %v, want ErrNewer and %s", err, name)
		}
	}
}

func TestATornEndIsCutAndKept(t *testing.T) {
	disk := simfs.New()
	all := writeCommits(t, disk, 10, func(*wal.Log) {})
	disk = disk.Kill()
	names, _ := disk.List()
	name := slices.Max(slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "log-") }))
	data, _ := disk.Read(name)
	end := len(bytes.TrimRight(data, "\x00"))
	data[end-1] ^= 1
	disk.Replace(name, data)
	l, err := wal.OpenStill(disk, small, &picture{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	r := l.Recovery()
	if r.Last != all[len(all)-2].Revision {
		t.Errorf("revision %d is the last one, want %d", r.Last, all[len(all)-2].Revision)
	}
	kept, _ := disk.Read(r.Cut.Copy)
	if r.Cut.File != name || !bytes.Equal(kept, data[r.Cut.Offset:end]) || r.Cut.Bytes != int64(len(kept)) {
		t.Errorf("the cut is %+v with a copy of %d bytes", r.Cut, len(kept))
	}
}
