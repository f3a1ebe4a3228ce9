package wal_test

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
	"time"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

func FuzzAnySegmentIsReadOrRefused(f *testing.F) {
	fuzzFile(f, "log-0000000001")
}

func FuzzAnySnapshotIsReadOrRefused(f *testing.F) {
	fuzzFile(f, "snapshot-0000000002")
}

func FuzzAnyFrameWithARightChecksumIsReadOrRefused(f *testing.F) {
	disk := simfs.New()
	files := writeFuzzSeed(f, disk)
	f.Add(byte(2), []byte{1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 'k', 'v'})
	f.Add(byte(6), make([]byte, 48))
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		for name, whole := range files {
			openAny(t, disk.Kill(), name, wal.WithFrame(whole, kind, body))
		}
	})
}

// fuzzFile opens logs in which a file has any contents.
func fuzzFile(f *testing.F, name string) {
	f.Helper()
	disk := simfs.New()
	whole := writeFuzzSeed(f, disk)[name]
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(append(bytes.Clone(whole), whole...))
	f.Fuzz(func(t *testing.T, data []byte) { openAny(t, disk.Kill(), name, data) })
}

// openAny opens the log with data as the contents of a file.
func openAny(t *testing.T, disk *simfs.Disk, name string, data []byte) {
	t.Helper()
	disk.Replace(name, data)
	before := allocated()
	_, err := wal.OpenStill(disk, small, &picture{}, time.Now)
	if grown := allocated() - before; grown > 8<<20+64*uint64(len(data)) {
		t.Errorf("%d bytes take %d bytes of memory", len(data), grown)
	}
	if err != nil && !errors.As(err, new(*wal.DamageError)) && !errors.Is(err, wal.ErrNewer) {
		t.Errorf("Open fails with %v, want a *DamageError", err)
	}
}

// writeFuzzSeed writes a log with a snapshot, and returns the files.
func writeFuzzSeed(f *testing.F, disk *simfs.Disk) map[string][]byte {
	f.Helper()
	l, err := wal.OpenStill(disk, small, &picture{}, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	c := wal.Change{Kind: wal.Put, Revision: 1, Updated: 2, Deadline: 3, Key: "key", Value: []byte("value")}
	l.Append([]wal.Change{c, {Kind: wal.Touch, Revision: 2, Key: "key"}})
	_ = l.Step()
	c.Revision, c.Deadline = 2, 0
	s, err := l.Cut()
	if err != nil {
		f.Fatal(err)
	}
	_ = l.Step()
	if err := errors.Join(s.Add(c), s.Commit(f.Context()), l.Close()); err != nil {
		f.Fatal(err)
	}
	files := map[string][]byte{}
	names, _ := disk.List()
	for _, name := range names {
		files[name], _ = disk.Read(name)
	}
	return files
}

// allocated returns how many bytes have been allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
