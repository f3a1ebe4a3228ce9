package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LogStats are the statistics of a store's log on disk.
type LogStats struct {
	Unsynced         time.Duration // age of the oldest write that is not on disk; zero: there is none
	PendingBytes     int64         // appended, not yet handed to the kernel
	Bytes            int64         // of the log, without what is preallocated
	DiskBytes        int64         // of the log and snapshots, with what is preallocated
	FreeBytes        int64         // that the file system has for others; negative: not known
	Syncs            int64
	SyncTime         time.Duration // that these took
	Snapshots        int64         // written since the start
	SnapshotFailures int64
	SnapshotBytes    int64         // of the latest
	SnapshotTook     time.Duration // how long the latest took to write; zero: none was
	Full             bool          // the file system had no room
	Failed           bool          // nothing is acknowledged any more
}

// logMetric is one metric of a log.
type logMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(LogStats) float64
}

var logMetrics = []logMetric{
	newLogMetric("kv_log_unsynced_seconds", "Age of the oldest write that is not on disk; 0: there is none.", prometheus.GaugeValue,
		func(s LogStats) float64 { return s.Unsynced.Seconds() }),
	newLogMetric("kv_log_pending_bytes", "Bytes of the log that wait to be written.", prometheus.GaugeValue,
		func(s LogStats) float64 { return float64(s.PendingBytes) }),
	newLogMetric("kv_log_bytes", "Size of the log, without snapshots and what is preallocated.", prometheus.GaugeValue,
		func(s LogStats) float64 { return float64(s.Bytes) }),
	newLogMetric("kv_log_disk_bytes", "Disk that the log and its snapshots take.", prometheus.GaugeValue,
		func(s LogStats) float64 { return float64(s.DiskBytes) }),
	newLogMetric("kv_log_free_bytes", "Free space on the disk of the log; -1: not known.", prometheus.GaugeValue,
		func(s LogStats) float64 { return float64(s.FreeBytes) }),
	newLogMetric("kv_log_syncs_total", "Syncs of the log to disk.", prometheus.CounterValue,
		func(s LogStats) float64 { return float64(s.Syncs) }),
	newLogMetric("kv_log_sync_seconds_total", "Time that these syncs took.", prometheus.CounterValue,
		func(s LogStats) float64 { return s.SyncTime.Seconds() }),
	newLogMetric("kv_log_snapshots_total", "Snapshots written.", prometheus.CounterValue,
		func(s LogStats) float64 { return float64(s.Snapshots) }),
	newLogMetric("kv_log_snapshot_failures_total", "Snapshots that could not be written.", prometheus.CounterValue,
		func(s LogStats) float64 { return float64(s.SnapshotFailures) }),
	newLogMetric("kv_log_snapshot_bytes", "Size of the latest snapshot.", prometheus.GaugeValue,
		func(s LogStats) float64 { return float64(s.SnapshotBytes) }),
	newLogMetric("kv_log_snapshot_seconds", "How long the latest snapshot took to write; 0: none was written.", prometheus.GaugeValue,
		func(s LogStats) float64 { return s.SnapshotTook.Seconds() }),
	newLogMetric("kv_log_full", "1 if the disk has no room for the log, 0 if it has.", prometheus.GaugeValue,
		func(s LogStats) float64 { return oneIf(s.Full) }),
	newLogMetric("kv_log_failed", "1 if a write or sync of the log has failed, 0 if not.", prometheus.GaugeValue,
		func(s LogStats) float64 { return oneIf(s.Failed) }),
}

func newLogMetric(name, help string, kind prometheus.ValueType, value func(LogStats) float64) logMetric {
	return logMetric{prometheus.NewDesc(name, help, nil, nil), kind, value}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// logCollector collects the metrics of a log each time they are requested. It returns none until the log is open.
type logCollector func() (LogStats, bool)

// ForLog adds the metrics of a store's log. Stats reports false until it is open.
func (m *Metrics) ForLog(stats func() (LogStats, bool)) { m.registry.MustRegister(logCollector(stats)) }

// Describe implements [prometheus.Collector].
func (logCollector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range logMetrics {
		to <- f.desc
	}
}

// Collect implements [prometheus.Collector].
func (c logCollector) Collect(to chan<- prometheus.Metric) {
	stats, ok := c()
	if !ok {
		return
	}
	for _, f := range logMetrics {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(stats))
	}
}
