package observe

import "github.com/prometheus/client_golang/prometheus"

// Hottest is how often one key, which must not become a label, is read or written.
type Hottest struct {
	Share     float64 // of all reads or writes, 0 to 1
	PerSecond float64
}

var (
	hottestReads, hottestReadsRate   = hottest("reads", "read")
	hottestWrites, hottestWritesRate = hottest("writes", "written")
)

func hottest(kind, done string) (share, rate *prometheus.Desc) {
	const none = "; 0 if all keys together have less than one a second."
	share = prometheus.NewDesc("kv_hottest_key_"+kind+"_ratio", "Share of the "+kind+" of the last minute that the most "+done+" key has, 0 to 1"+none, nil, nil)
	rate = prometheus.NewDesc("kv_hottest_key_"+kind+"_per_second", "Estimated "+kind+" of the most "+done+" key per second in the last minute"+none, nil, nil)
	return share, rate
}

// hottestCollector collects the metrics of the hottest keys each time they are requested.
type hottestCollector func() (read, write Hottest)

// ForHottest adds the metrics of the key that is read most and of the one that is written most.
func (m *Metrics) ForHottest(keys func() (read, write Hottest)) {
	m.registry.MustRegister(hottestCollector(keys))
}

// Describe implements [prometheus.Collector].
func (hottestCollector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{hottestReads, hottestReadsRate, hottestWrites, hottestWritesRate} {
		to <- desc
	}
}

// Collect implements [prometheus.Collector].
func (c hottestCollector) Collect(to chan<- prometheus.Metric) {
	read, write := c()
	for desc, value := range map[*prometheus.Desc]float64{
		hottestReads: read.Share, hottestReadsRate: read.PerSecond, hottestWrites: write.Share, hottestWritesRate: write.PerSecond,
	} {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
}
