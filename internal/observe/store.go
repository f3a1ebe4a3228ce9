package observe

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"key-value/kvservice/store"
)

// statsTimeout bounds how long an engine may take to describe itself.
const statsTimeout = 3 * time.Second

// figure is one metric of an engine.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(store.Stats) int64
}

var figures = []figure{
	gauge("kv_keys", "Entries in the store.", func(s store.Stats) int64 { return s.Keys }),
	gauge("kv_memory_bytes", "What the entries take in memory, with the structures that hold them.",
		func(s store.Stats) int64 { return s.MemoryBytes }),
	gauge("kv_memory_limit_bytes", "What kv_memory_bytes may reach; 0: no limit.",
		func(s store.Stats) int64 { return s.MaxMemory }),
	counter("kv_hits_total", "Reads that found an entry.", func(s store.Stats) int64 { return s.Hits }),
	counter("kv_misses_total", "Reads that found none.", func(s store.Stats) int64 { return s.Misses }),
	counter("kv_expirations_total", "Entries whose TTL elapsed.", func(s store.Stats) int64 { return s.Expirations }),
	counter("kv_evictions_total", "Entries that made room for others.", func(s store.Stats) int64 { return s.Evictions }),
	gauge("kv_watchers", "Watches that are open.", func(s store.Stats) int64 { return s.Watchers }),
}

var storeUp = prometheus.NewDesc("kv_store_up", "1 if the store could describe itself, 0 if not.", nil, nil)

func gauge(name, help string, value func(store.Stats) int64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(store.Stats) int64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, value}
}

// engine asks an engine for its figures each time that somebody wants to know them.
type engine struct{ store.Engine }

// ForService adds what only a service measures: its engine, and its batches.
func (m *Metrics) ForService(e store.Engine) { m.registry.MustRegister(engine{e}, m.batches) }

// Describe implements [prometheus.Collector].
func (engine) Describe(to chan<- *prometheus.Desc) {
	to <- storeUp
	for _, f := range figures {
		to <- f.desc
	}
}

// Collect implements [prometheus.Collector].
func (e engine) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	stats, err := e.Stats(ctx)
	if err != nil {
		to <- prometheus.MustNewConstMetric(storeUp, prometheus.GaugeValue, 0)
		return
	}
	to <- prometheus.MustNewConstMetric(storeUp, prometheus.GaugeValue, 1)
	for _, f := range figures {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.value(stats)))
	}
}

// Keys are the API keys of a gateway, as far as they are measured.
type Keys interface {
	Len() int
	Refused() int64
	FailedReloads() int64
}

// ForKeys adds what only a gateway measures: its API keys.
func (m *Metrics) ForKeys(keys Keys) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kv_api_keys", Help: "API keys, including those that are revoked, expired or not yet valid.",
		}, func() float64 { return float64(keys.Len()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "kv_api_key_failures_total", Help: "Requests without a valid API key.",
		}, func() float64 { return float64(keys.Refused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "kv_api_keys_reload_failures_total",
			Help: "Changes of the keys file that could not be used; the previous keys stay valid.",
		}, func() float64 { return float64(keys.FailedReloads()) }),
	)
}
