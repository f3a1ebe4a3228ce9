package wal_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
)

func BenchmarkWrite(b *testing.B) {
	for name, fsync := range modes {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				dir, err := vfs.OpenDir(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				l, err := wal.Open(dir, wal.Options{Fsync: fsync}, &picture{})
				if err != nil {
					b.Fatal(err)
				}
				e := &engine{log: l, next: 1, forgets: true}
				value := make([]byte, 64)
				b.SetParallelism(callers / 2)
				if callers == 1 {
					for b.Loop() {
						if err := e.write(b.Context(), "a key of 16 byte", value); err != nil {
							b.Fatal(err)
						}
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							if err := e.write(b.Context(), "a key of 16 byte", value); err != nil {
								b.Error(err)
							}
						}
					})
				}
				b.StopTimer()
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// counter counts what is loaded.
type counter struct{ entries, commits atomic.Int64 }

func (c *counter) Entry(wal.Change) error          { c.entries.Add(1); return nil }
func (c *counter) Commit([]wal.Change, bool) error { c.commits.Add(1); return nil }
func (c *counter) Progress(int64, int64)           {}

func BenchmarkLoad(b *testing.B) {
	const entries = 1_000_000
	dir, err := vfs.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	l, err := wal.Open(dir, wal.Options{Fsync: wal.Never}, &counter{})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 64)
	b.Run("write a snapshot", func(b *testing.B) {
		for b.Loop() {
			s, err := l.Cut()
			for err != nil {
				s, err = l.Cut()
			}
			for i := range entries {
				c := wal.Change{Kind: wal.Put, Updated: 1, Key: fmt.Sprintf("a key %010d", i), Value: value}
				if err := s.Add(c); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Commit(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("load a snapshot", func(b *testing.B) {
		for b.Loop() {
			c := &counter{}
			l, err := wal.Open(dir, wal.Options{}, c)
			if err != nil || c.entries.Load() != entries {
				b.Fatal(err, c.entries.Load())
			}
			_ = l.Close()
		}
	})
}
