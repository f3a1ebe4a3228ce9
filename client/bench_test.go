package client_test

import (
	"testing"

	"key-value/client"
)

// BenchmarkGet reads one entry over loopback: with one caller, and with many whose calls share requests.
func BenchmarkGet(b *testing.B) {
	kv := start(b)
	mustSet(b, kv, "key", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	get := func(b *testing.B, kv *client.Client) {
		if _, err := kv.Get(b.Context(), "key"); err != nil {
			b.Error(err)
		}
	}
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get(b, kv)
		}
	})
	b.Run("64 callers a processor", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				get(b, kv)
			}
		})
	})
}
