package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

func TestCheckReadsEverything(t *testing.T) {
	disk, all := closed(t)
	names, _ := disk.List()
	report, err := wal.Check(disk, false)
	if err != nil || len(report.Damage) != 0 || report.Torn.File != "" {
		t.Fatalf("Check = %+v, %v, want no damage", report, err)
	}
	if report.Files != len(names) || report.Last != all[len(all)-1].Revision || report.Entries != 5 || report.Commits != 19 {
		t.Errorf("Check = %+v", report)
	}
	if after, _ := disk.List(); !slices.Equal(after, names) {
		t.Errorf("Check leaves %v, want %v", after, names)
	}
}

func TestCheckFindsAndFixesDamageEverywhere(t *testing.T) {
	disk, all := closed(t)
	names, _ := disk.List()
	for _, name := range names {
		whole, _ := disk.Read(name)
		for at := rand.IntN(7); at < len(whole); at += 7 {
			if at == 6 || at == 7 {
				continue // the version: not damage
			}
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << rand.IntN(8)
			copied := disk.Kill()
			copied.Replace(name, flipped)
			checkAndFix(t, copied, fmt.Sprintf("byte %d of %s", at, name), flipped, all)
		}
	}
}

// checkAndFix checks and fixes a disk on which something is damaged.
func checkAndFix(t *testing.T, disk *simfs.Disk, what string, damaged []byte, all []wal.Change) {
	t.Helper()
	report, err := wal.Check(disk, false)
	if err != nil || len(report.Damage) == 0 && report.Torn.File == "" {
		t.Fatalf("with %s flipped, Check = %+v, %v, want damage", what, report, err)
	}
	report, err = wal.Check(disk, true)
	if err != nil {
		t.Fatalf("with %s flipped, Check to fix it fails with %v", what, err)
	}
	found := &picture{}
	l, err := wal.OpenStill(disk, small, found, time.Now)
	if err != nil {
		t.Fatalf("with %s flipped and fixed, Open fails with %v", what, err)
	}
	for key, c := range found.state {
		i := int(c.Revision - all[0].Revision)
		if i >= len(all) || !same(all[i], c) {
			t.Fatalf("with %s flipped and fixed, there is %s = %v", what, key, c)
		}
	}
	kept := false
	for _, cut := range report.Cuts {
		data, err := disk.Read(cut.Copy)
		if err != nil || int64(len(data)) != cut.Bytes {
			t.Fatalf("with %s flipped and fixed, the copy %s has %d bytes, %v, want %d", what, cut.Copy, len(data), err, cut.Bytes)
		}
		kept = kept || bytes.HasSuffix(damaged, data) || bytes.Contains(damaged, data)
	}
	if !kept {
		t.Fatalf("with %s flipped and fixed, no copy has it: %+v", what, report)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFixesMissingSegments(t *testing.T) {
	disk, _ := closed(t)
	names, _ := disk.List()
	for _, name := range names {
		if !strings.HasPrefix(name, "log-") {
			continue
		}
		copied := disk.Kill()
		if err := copied.Remove(name); err != nil {
			t.Fatal(err)
		}
		if _, err := wal.Check(copied, true); err != nil {
			t.Errorf("without %s, Check fails with %v", name, err)
		}
		if _, err := wal.OpenStill(copied, small, &picture{}, time.Now); err != nil {
			t.Errorf("without %s, after a fix, Open fails with %v", name, err)
		}
	}
}

func TestARunningLogIsNotChecked(t *testing.T) {
	disk := simfs.New()
	if _, err := wal.OpenStill(disk, small, &picture{}, time.Now); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Check(disk, false); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("Check fails with %v, want ErrLocked", err)
	}
}

// backup returns a backup of three entries of two epochs.
func backup(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	b := wal.NewBackup(&out)
	for i, key := range []string{"a", "b", "c"} {
		c := wal.Change{Revision: uint64(10 - i), Updated: int64(i), Deadline: int64(i), Key: key, Value: []byte(key)}
		if err := b.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Finish(12, wal.Epochs{{ID: 5, First: 8, Before: 7}, {ID: 6, First: 10, Before: 9}}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestABackupIsRestored(t *testing.T) {
	disk, data := simfs.New(), backup(t)
	restored, err := wal.Restore(disk, bytes.NewReader(data))
	if err != nil || restored != (wal.Restored{Entries: 3, Last: 12}) {
		t.Fatalf("Restore = %+v, %v", restored, err)
	}
	if _, err := wal.Restore(disk, bytes.NewReader(data)); !errors.Is(err, wal.ErrNotEmpty) {
		t.Errorf("a second Restore fails with %v, want ErrNotEmpty", err)
	}
	found := &picture{}
	l, err := wal.OpenStill(disk.Crash(rand.New(rand.NewPCG(1, 1))), small, found, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if keys := slices.Sorted(maps.Keys(found.state)); !slices.Equal(keys, []string{"a", "b", "c"}) || found.state["b"].Revision != 9 {
		t.Errorf("restored are %v", found.state)
	}
	if r := l.Recovery(); r.Last != 12 || r.Epochs.Of(9) != 5 || r.Epochs.Of(10) != 6 || r.First != 13 {
		t.Errorf("the log begins with %+v", r)
	}
}

func TestABackupThatDoesNotReadIsNotRestored(t *testing.T) {
	data := backup(t)
	for at := range data {
		flipped := bytes.Clone(data)
		flipped[at] ^= 1
		for what, in := range map[string][]byte{"a flipped bit": flipped, "an end": data[:at]} {
			disk := simfs.New()
			if _, err := wal.Restore(disk, bytes.NewReader(in)); err == nil {
				t.Errorf("with %s at byte %d, Restore does not fail", what, at)
			}
			if names, _ := disk.List(); len(names) != 0 {
				t.Errorf("with %s at byte %d, Restore leaves %v", what, at, names)
			}
		}
	}
}

func TestEntriesWithoutRevisionsAreNumbered(t *testing.T) {
	var out bytes.Buffer
	b := wal.NewBackup(&out)
	for _, key := range []string{"a", "b"} {
		if err := b.Add(wal.Change{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add(wal.Change{Key: "a"}); err == nil {
		t.Error("a key that does not ascend is added")
	}
	if err := b.Finish(0, nil); err != nil {
		t.Fatal(err)
	}
	disk := simfs.New()
	if _, err := wal.Restore(disk, io.LimitReader(&out, 1<<20)); err != nil {
		t.Fatal(err)
	}
	found := &picture{}
	l, err := wal.OpenStill(disk, small, found, time.Now)
	if err != nil || found.state["a"].Revision != 1 || found.state["b"].Revision != 2 || l.Recovery().Epochs.Of(2) == 0 {
		t.Errorf("restored are %v, %v", found.state, err)
	}
}

// The first bytes of a snapshot have what the checksums of all others need. It is found in these.
func TestASnapshotWithoutItsBeginningIsSalvaged(t *testing.T) {
	disk, _ := closed(t)
	names, _ := disk.List()
	i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "snapshot-") })
	whole, _ := disk.Read(names[i])
	before, err := wal.Check(disk, false)
	if err != nil {
		t.Fatal(err)
	}
	const beginning = 8 + 24 + 4 // the magic number and the first frame
	copy(whole, make([]byte, beginning))
	disk.Replace(names[i], whole)
	if _, err := wal.Check(disk, true); err != nil {
		t.Fatal(err)
	}
	after, err := wal.Check(disk, false)
	if err != nil || len(after.Damage) != 0 || after.Entries != before.Entries || after.Last != before.Last {
		t.Errorf("after a fix, Check = %+v, %v; want the %d entries and revision %d", after, err, before.Entries, before.Last)
	}
}
