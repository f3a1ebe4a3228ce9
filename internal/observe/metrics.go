// Package observe measures what the services do, and traces it.
//
// Names and labels are those of the OpenTelemetry semantic conventions where these have any, and begin with kv_
// where they do not. No label and no attribute ever holds a key, or anything else that a caller can choose freely:
// there would be as many time series as keys, and keys can be secret.
//
// Nothing here is on the way of a request unless somebody asked for it: a program without an admin address has no
// [Metrics].
package observe

import (
	"maps"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Buckets of durations, in seconds. Those that the conventions advise begin at 5 ms, which is a hundred times as
// long as most calls here take.
var seconds = []float64{
	.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

// Buckets of operations in a batch: the contract allows 1,000.
var operations = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000}

// Metrics are what one process has measured. Make them with NewMetrics.
type Metrics struct {
	registry   *prometheus.Registry
	served     *durations[call]    // RPCs, at the server
	made       *durations[call]    // requests to the service, at the gateway
	requests   *durations[request] // REST
	batches    prometheus.Histogram
	hopBatches prometheus.Histogram
}

// NewMetrics returns the metrics of a process that runs service, in the given version.
func NewMetrics(service, version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		served: newDurations("rpc_server_call_duration_seconds",
			"How long RPCs took that were served, streams included.", call.labels, callLabels...),
		made: newDurations("rpc_client_call_duration_seconds",
			"How long the requests took that a gateway sent to its service.", call.labels, callLabels...),
		requests: newDurations("http_server_request_duration_seconds",
			"How long REST requests took, streams included.", request.labels, requestLabels...),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kv_batch_operations", Help: "Operations in each Batch that the service carried out.", Buckets: operations,
		}),
		hopBatches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kv_hop_batch_operations", Help: "Operations in each Batch that a gateway sent to its service.",
			Buckets: operations,
		}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "kv_build_info", Help: "1, with what runs as labels.",
	}, []string{"service", "version", "go_version"})
	build.WithLabelValues(service, version, runtime.Version()).Set(1)
	m.registry.MustRegister(build, m.served.vec, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ForGateway adds what only a gateway measures: REST requests.
func (m *Metrics) ForGateway() { m.registry.MustRegister(m.requests.vec) }

// ForHop adds what only a gateway measures whose service is another process.
func (m *Metrics) ForHop() { m.registry.MustRegister(m.made.vec, m.hopBatches) }

// Handler answers with the metrics, in the text format of Prometheus or of OpenMetrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// durations is a histogram for each of a bounded set of K. Finding the one for a K takes a lookup in a map that
// nobody writes to: no lock, and no memory.
type durations[K comparable] struct {
	vec    *prometheus.HistogramVec
	labels func(K) []string

	known atomic.Pointer[map[K]prometheus.Observer]
	mu    sync.Mutex // of those who replace known
}

func newDurations[K comparable](name, help string, values func(K) []string, labels ...string) *durations[K] {
	d := &durations[K]{
		vec: prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels),
		labels: values,
	}
	d.known.Store(&map[K]prometheus.Observer{})
	return d
}

func (d *durations[K]) observe(key K, took time.Duration) {
	histogram, ok := (*d.known.Load())[key]
	if !ok {
		histogram = d.add(key)
	}
	histogram.Observe(took.Seconds())
}

// add makes the histogram of key.
func (d *durations[K]) add(key K) prometheus.Observer {
	d.mu.Lock()
	defer d.mu.Unlock()
	more := maps.Clone(*d.known.Load())
	more[key] = d.vec.WithLabelValues(d.labels(key)...)
	d.known.Store(&more)
	return more[key]
}
