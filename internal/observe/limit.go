package observe

import "github.com/prometheus/client_golang/prometheus"

// Limit is a bound on what callers may use at a time.
type Limit struct {
	Name     string // calls, queue, watches, memory or connections
	Used     int64
	Max      int64 // zero: no limit
	Rejected int64 // what was rejected since the start because there was no room
}

var (
	limitLabels     = []string{"limit"}
	limitUsed       = prometheus.NewDesc("kv_limit_used", "What is used of a limit on callers.", limitLabels, nil)
	limitMax        = prometheus.NewDesc("kv_limit_max", "Upper limit of kv_limit_used; 0: no limit.", limitLabels, nil)
	limitRejections = prometheus.NewDesc("kv_limit_rejections_total",
		"Calls, watches and connections that a limit rejected.", limitLabels, nil)
	laneRequests = prometheus.NewDesc("kv_lane_requests_total", "Requests that each lane of the port served.", []string{"lane"}, nil)
)

// limitCollector collects the metrics of limits each time they are requested.
type limitCollector func() []Limit

// ForLimits adds the metrics of what callers use.
func (m *Metrics) ForLimits(limits func() []Limit) { m.registry.MustRegister(limitCollector(limits)) }

// Describe implements [prometheus.Collector].
func (limitCollector) Describe(to chan<- *prometheus.Desc) {
	to <- limitUsed
	to <- limitMax
	to <- limitRejections
}

// Collect implements [prometheus.Collector].
func (c limitCollector) Collect(to chan<- prometheus.Metric) {
	for _, l := range c() {
		to <- prometheus.MustNewConstMetric(limitUsed, prometheus.GaugeValue, float64(l.Used), l.Name)
		to <- prometheus.MustNewConstMetric(limitMax, prometheus.GaugeValue, float64(l.Max), l.Name)
		to <- prometheus.MustNewConstMetric(limitRejections, prometheus.CounterValue, float64(l.Rejected), l.Name)
	}
}

// laneCollector collects the requests of each lane each time they are requested.
type laneCollector func() map[string]int64

// ForLanes adds the metrics of the lanes of a port. Requests returns how many each has served.
func (m *Metrics) ForLanes(requests func() map[string]int64) {
	m.registry.MustRegister(laneCollector(requests))
}

// Describe implements [prometheus.Collector].
func (laneCollector) Describe(to chan<- *prometheus.Desc) { to <- laneRequests }

// Collect implements [prometheus.Collector].
func (c laneCollector) Collect(to chan<- prometheus.Metric) {
	for lane, n := range c() {
		to <- prometheus.MustNewConstMetric(laneRequests, prometheus.CounterValue, float64(n), lane)
	}
}
