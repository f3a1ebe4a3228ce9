package keystats

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkRecord measures what an operation costs: one that is not sampled, one that is, and one that is with a key that was
// not seen before. Then it measures what a call costs.
func BenchmarkRecord(b *testing.B) {
	draw := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.1, 1, 1<<20)
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("users/%d/profile", draw.Uint64())
	}
	for _, every := range []uint32{1 << 16, 1} {
		b.Run(fmt.Sprint("one in ", every), func(b *testing.B) {
			r := New()
			r.perWindow = 1 << 30
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.every.Store(every)
				r.Record(Operation{Key: keys[i%len(keys)]})
			}
		})
	}
	b.Run("new keys", func(b *testing.B) {
		r := New()
		r.perWindow = 1 << 30
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.Record(Operation{Key: fmt.Sprintf("users/%d/profile", i)})
		}
	})
	b.Run("call", func(b *testing.B) {
		r := New()
		b.ReportAllocs()
		for b.Loop() {
			r.End(r.Start(), func() Call { return Call{} })
		}
	})
}
