// Package observe has the services' metrics, traces, and the admin address that serves metrics and profiles to
// operators.
//
// Names and labels follow the OpenTelemetry semantic conventions. Names that these do not define begin with kv_. No
// label or attribute ever contains a key, or anything else that a caller can choose freely: there would be a time
// series for each, and keys can be secret.
//
// Nothing here is in the path of a request unless it is enabled: a program without an admin address has no [Metrics].
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

// The buckets of durations, in seconds. Those that the conventions recommend start at 5 ms, a hundred times as long
// as most calls here take.
var seconds = []float64{
	.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

// The buckets of operations in a batch: the API allows 1,000.
var operations = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000}

// Metrics are the metrics of one process. Create them with NewMetrics.
type Metrics struct {
	registry     *prometheus.Registry
	served       *durations[call]    // RPCs, by the server
	sentRequests *durations[call]    // requests to the service, by the gateway
	requests     *durations[request] // REST requests
	batches      prometheus.Histogram
	hopBatches   prometheus.Histogram
}

// NewMetrics returns the metrics of a process that runs the given version of service.
func NewMetrics(service, version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		served: newDurations("rpc_server_call_duration_seconds",
			"Duration of the RPCs served, including streams.", call.labels, callLabels...),
		sentRequests: newDurations("rpc_client_call_duration_seconds",
			"Duration of the requests that a gateway sent to its service.", call.labels, callLabels...),
		requests: newDurations("http_server_request_duration_seconds",
			"Duration of REST requests, including streams.", request.labels, requestLabels...),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kv_batch_operations", Help: "Operations in each Batch that the service performed.", Buckets: operations,
		}),
		hopBatches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kv_hop_batch_operations", Help: "Operations in each Batch that a gateway sent to its service.",
			Buckets: operations,
		}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "kv_build_info", Help: "Always 1. The labels say what is running.",
	}, []string{"service", "version", "go_version"})
	build.WithLabelValues(service, version, runtime.Version()).Set(1)
	m.registry.MustRegister(build, m.served.vec, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ForGateway adds the metrics that every gateway has: REST requests.
func (m *Metrics) ForGateway() { m.registry.MustRegister(m.requests.vec) }

// ForHop adds the metrics of a gateway whose service is in another process.
func (m *Metrics) ForHop() { m.registry.MustRegister(m.sentRequests.vec, m.hopBatches) }

// Handler serves the metrics in the text format of Prometheus or OpenMetrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// durations is a set of histograms, one for each of a bounded set of K. Finding a histogram is a lookup in an
// immutable map, without a lock or an allocation.
type durations[K comparable] struct {
	vec    *prometheus.HistogramVec
	labels func(K) []string

	known atomic.Pointer[map[K]prometheus.Observer]
	mu    sync.Mutex // serializes replacements of known
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

// add creates the histogram of key.
func (d *durations[K]) add(key K) prometheus.Observer {
	d.mu.Lock()
	defer d.mu.Unlock()
	more := maps.Clone(*d.known.Load())
	more[key] = d.vec.WithLabelValues(d.labels(key)...)
	d.known.Store(&more)
	return more[key]
}
