package wal_test

import (
	"bytes"
	"testing"
	"time"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

// observed is a disk whose file for the log tells what is written to it.
type observed struct {
	*simfs.Disk
	wrote func(p []byte, offset int64)
}

func (o observed) Create(name string) (vfs.File, error) {
	f, err := o.Disk.Create(name)
	return observedFile{f, o.wrote}, err
}

type observedFile struct {
	vfs.File
	wrote func(p []byte, offset int64)
}

func (f observedFile) WriteAt(p []byte, offset int64) (int, error) {
	f.wrote(p, offset)
	return f.File.WriteAt(p, offset)
}

func TestCommitsAreWrittenOverZerosWhereEachIsSynced(t *testing.T) {
	const commits, valueBytes = 3000, 1000
	for name, fsync := range modes {
		t.Run(name, func(t *testing.T) {
			var zeros, data, first int64 // ends of what was written, and commits that were written where nothing had been
			disk := observed{simfs.New(), func(p []byte, offset int64) {
				end := offset + int64(len(p))
				if len(bytes.Trim(p, "\x00")) == 0 {
					if offset < data {
						t.Errorf("zeros are written at byte %d, over commits up to byte %d", offset, data)
					}
					zeros = end
					return
				}
				if end > zeros {
					first++
				}
				data = end
			}}
			l, err := wal.OpenStill(disk, wal.Options{Fsync: fsync}, &picture{}, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			for i := range commits {
				c := wal.Change{Kind: wal.Put, Revision: uint64(i + 1), Key: "a", Value: bytes.Repeat([]byte("v"), valueBytes)}
				if err := l.Reserve(1, len(c.Key)+len(c.Value), false); err != nil {
					t.Fatal(err)
				}
				l.Append([]wal.Change{c})
				if err := l.Step(); err != nil {
					t.Fatal(err)
				}
			}
			if fsync == wal.Always && first > commits/200 {
				t.Errorf("%d of %d commits were written where no zeros had been, want one of 200 at most", first, commits)
			}
			if fsync != wal.Always && zeros != 0 {
				t.Error("zeros are written, which serves nothing unless each commit is synced")
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := wal.OpenStill(disk.Disk, wal.Options{}, &picture{}, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if n := again.Recovery().Commits; n != commits {
				t.Errorf("%d commits are there, want %d", n, commits)
			}
		})
	}
}
