package kvservice

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/kvservice/store"
)

// maxSamples is how many samples a history keeps: 15 minutes of them at one every 5 s.
const maxSamples = 180

// history holds the latest samples of an engine's statistics.
type history struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when no more samples are taken

	mu      sync.Mutex
	samples []sample // oldest first; guarded by mu
}

type sample struct {
	at                              time.Time // with the monotonic clock
	keys, memoryBytes, hits, misses int64
}

// newHistory returns a history of engine, with a sample now and then one every interval until it is closed.
func newHistory(engine store.Engine, every time.Duration) *history {
	ctx, cancel := context.WithCancel(context.Background())
	h := &history{cancel: cancel, done: make(chan struct{})}
	go h.record(ctx, engine, every)
	return h
}

func (h *history) close() {
	h.cancel()
	<-h.done
}

func (h *history) record(ctx context.Context, engine store.Engine, every time.Duration) {
	defer close(h.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		h.sample(ctx, engine, every)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// sample takes a sample. An engine that fails, or does not answer in time, leaves a gap.
func (h *history) sample(ctx context.Context, engine store.Engine, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stats, err := engine.Stats(ctx)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.samples) == maxSamples {
		h.samples = append(h.samples[:0], h.samples[1:]...)
	}
	h.samples = append(h.samples, sample{time.Now(), stats.Keys, stats.MemoryBytes, stats.Hits, stats.Misses})
}

// messages returns the samples, oldest first.
func (h *history) messages() []*keyvaluev1.StatsSample {
	h.mu.Lock()
	defer h.mu.Unlock()
	messages := make([]*keyvaluev1.StatsSample, len(h.samples))
	for i, s := range h.samples {
		messages[i] = &keyvaluev1.StatsSample{
			Age: durationpb.New(time.Since(s.at)), Keys: s.keys, MemoryBytes: s.memoryBytes, Hits: s.hits, Misses: s.misses,
		}
	}
	return messages
}
