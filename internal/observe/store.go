package observe

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"key-value/kvservice/store"
)

// statsTimeout limits how long an engine may take to return its statistics.
const statsTimeout = 3 * time.Second

// statMetric is one metric of an engine.
type statMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(store.Stats) int64
}

var statMetrics = []statMetric{
	gauge("kv_keys", "Entries in the store.", func(s store.Stats) int64 { return s.Keys }),
	gauge("kv_memory_bytes", "Memory of the entries, including the structures that hold them.",
		func(s store.Stats) int64 { return s.MemoryBytes }),
	gauge("kv_memory_limit_bytes", "Limit of kv_memory_bytes; 0: none.",
		func(s store.Stats) int64 { return s.MaxMemory }),
	counter("kv_hits_total", "Reads that found an entry.", func(s store.Stats) int64 { return s.Hits }),
	counter("kv_misses_total", "Reads that found no entry.", func(s store.Stats) int64 { return s.Misses }),
	counter("kv_expirations_total", "Entries whose TTL elapsed.", func(s store.Stats) int64 { return s.Expirations }),
	counter("kv_evictions_total", "Entries evicted to free memory.", func(s store.Stats) int64 { return s.Evictions }),
	gauge("kv_watchers", "Open watches.", func(s store.Stats) int64 { return s.Watchers }),
}

var storeUp = prometheus.NewDesc("kv_store_up", "1 if the store returned its statistics, 0 if not.", nil, nil)

func gauge(name, help string, value func(store.Stats) int64) statMetric {
	return statMetric{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(store.Stats) int64) statMetric {
	return statMetric{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, value}
}

// engine collects the metrics of an engine each time they are requested.
type engine struct{ store.Engine }

// ForService adds the metrics of a service: its engine and its batches.
func (m *Metrics) ForService(e store.Engine) { m.registry.MustRegister(engine{e}, m.batches) }

// Describe implements [prometheus.Collector].
func (engine) Describe(to chan<- *prometheus.Desc) {
	to <- storeUp
	for _, f := range statMetrics {
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
	for _, f := range statMetrics {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.value(stats)))
	}
}

// Keys are the API keys of a gateway.
type Keys interface {
	Len() int
	Refused() int64
	FailedReloads() int64
}

// ForKeys adds the metrics of a gateway's API keys.
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

// Budget is the memory of requests that are being read and responses that are being written, in bytes.
type Budget interface {
	Used() int64
	Max() int64
}

// ForBudget adds the metrics of the memory of requests and responses.
func (m *Metrics) ForBudget(b Budget) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kv_in_flight_bytes", Help: "Memory of requests that are being read and responses that are being written.",
		}, func() float64 { return float64(b.Used()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kv_in_flight_limit_bytes", Help: "Upper limit of kv_in_flight_bytes; 0: no limit.",
		}, func() float64 { return float64(b.Max()) }),
	)
}
