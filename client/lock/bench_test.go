package lock_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"key-value/internal/testkit/etcdcluster"
	"key-value/internal/testkit/rediscluster"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
)

// BenchmarkHandOver measures how long it takes from a call of Unlock until the next holder has the lock, while 64 callers, each
// with connections of its own, want it all the time.
func BenchmarkHandOver(b *testing.B) {
	b.Run("memory", func(b *testing.B) { handOver(b, newEngine(b)) })
	b.Run("Redis", func(b *testing.B) { handOver(b, openRedis(b, rediscluster.StartTest(b, rediscluster.Config{}))) })
	b.Run("etcd", func(b *testing.B) { handOver(b, openEtcd(b, etcdcluster.StartTest(b, etcdcluster.Config{}))) })
}

func handOver(b *testing.B, engine store.Engine) {
	const waiters = 64
	url := wiretest.Serve(b, handle(engine))
	var (
		released time.Time       // by the latest holder; guarded by the lock itself
		took     []time.Duration // guarded by the lock itself
		all      sync.WaitGroup
	)
	for range waiters {
		l := newLock(b, dial(b, url))
		all.Go(func() {
			for {
				held, err := l.Lock(b.Context())
				if err != nil {
					b.Error(err)
					return
				}
				if !released.IsZero() {
					took = append(took, time.Since(released))
				}
				done := len(took) >= b.N+2*waiters // at first they arrive
				released = time.Now()
				if err := held.Unlock(); err != nil {
					b.Error(err)
				}
				if done {
					return
				}
			}
		})
	}
	all.Wait()
	took = took[2*waiters-1:][:b.N]
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}
