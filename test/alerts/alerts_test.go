// Package alerts_test tests the alerts and the dashboard in deploy/ with Prometheus' own parser and engine.
package alerts_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

const repository = "../.."

var promQL = parser.NewParser(parser.Options{})

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rules returns the alerts, as Prometheus reads them: it checks expressions, durations and templates.
func rules(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse([]byte(read(t, "deploy/prometheus/alerts.yaml")), false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Fatal(err)
	}
	all := map[string]rulefmt.Rule{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			if _, twice := all[rule.Alert]; twice || rule.Alert == "" {
				t.Errorf("the rule %q has no name, or that of another", rule.Alert)
			}
			all[rule.Alert] = rule
		}
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// Every alert links to a section of the guide that says what to do.
func TestEveryAlertHasARunbook(t *testing.T) {
	guide := read(t, "docs/guides/operations.md")
	for name, rule := range rules(t) {
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q, want critical or warning", name, severity)
		}
		if got, want := rule.Annotations["runbook"], "docs/guides/operations.md#"+strings.ToLower(name); got != want {
			t.Errorf("%s has the runbook %q, want %s", name, got, want)
		}
		_, section, found := strings.Cut(guide, "\n#### "+name+"\n")
		section, _, _ = strings.Cut(section, "\n#")
		if !found || len(section) < 100 {
			t.Errorf("the guide does not say what to do about %s", name)
		}
		if rule.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", name)
		}
	}
}

// situation is a course of metrics, a value each minute, and whether an alert fires after it.
type situation struct {
	alert  string
	name   string
	series []string // in the notation of Prometheus' unit tests
	after  time.Duration
	fires  bool
}

const (
	ofREST = `http_server_request_duration_seconds_count{job="gateway",instance="g1",http_response_status_code=`
	ofRPC  = `rpc_server_call_duration_seconds_count{job="gateway",instance="g1",rpc_method="keyvalue.v1.KeyValueService/`
	at     = `{job="kvservice",instance="s1"`
)

var situations = []situation{
	{"KeyValueDown", "a gateway cannot be scraped", []string{`up{job="gateway",instance="g1"} 1 0 0 0`}, 3 * time.Minute, true},
	{"KeyValueDown", "one scrape fails", []string{`up{job="gateway",instance="g1"} 1 0 1 1`}, 3 * time.Minute, false},
	{"KeyValueDown", "another job is down", []string{`up{job="node"} 0 0 0 0`}, 3 * time.Minute, false},
	{"KeyValueStoreDown", "Redis does not answer", []string{`kv_store_up` + at + `} 1 0 0 0`}, 3 * time.Minute, true},
	{"KeyValueStoreDown", "the store answers", []string{`kv_store_up` + at + `} 1 1 1 1`}, 3 * time.Minute, false},
	{"KeyValueRestarted", "the counter begins again", []string{`process_cpu_seconds_total` + at + `} 100 110 1 2`}, 3 * time.Minute, true},
	{"KeyValueRestarted", "a gateway restarts, which has no data", []string{`process_cpu_seconds_total{job="gateway",instance="g1"} 100 110 1 2`}, 3 * time.Minute, false},
	{"KeyValueRequestsFail", "one of twenty fails", []string{ofREST + `"200"} 0+1900x15`, ofREST + `"503"} 0+100x15`}, 15 * time.Minute, true},
	{"KeyValueRequestsFail", "one of a thousand fails", []string{ofREST + `"200"} 0+1000x15`, ofREST + `"503"} 0+1x15`}, 15 * time.Minute, false},
	{"KeyValueRequestsFail", "many keys are not found", []string{ofREST + `"200"} 0+1000x15`, ofREST + `"404"} 0+1000x15`}, 15 * time.Minute, false},
	{"KeyValueCallsFail", "one of twenty fails", []string{ofRPC + `Get",rpc_response_status_code="OK"} 0+1900x15`, ofRPC + `Get",rpc_response_status_code="UNAVAILABLE"} 0+100x15`}, 15 * time.Minute, true},
	{"KeyValueCallsFail", "watches end as servers stop", []string{ofRPC + `Get",rpc_response_status_code="OK"} 0+1900x15`, ofRPC + `Watch",rpc_response_status_code="UNAVAILABLE"} 0+100x15`}, 15 * time.Minute, false},
	{"KeyValueCallsSlow", "one in ten takes a second", []string{
		`rpc_server_call_duration_seconds_bucket{job="gateway",rpc_method="a/Get",le="0.001"} 0+900x20`,
		`rpc_server_call_duration_seconds_bucket{job="gateway",rpc_method="a/Get",le="1"} 0+1000x20`,
		`rpc_server_call_duration_seconds_bucket{job="gateway",rpc_method="a/Get",le="+Inf"} 0+1000x20`,
	}, 20 * time.Minute, true},
	{"KeyValueCallsSlow", "watches are long", []string{
		`rpc_server_call_duration_seconds_bucket{job="gateway",rpc_method="a/Watch",le="0.001"} 0+0x20`,
		`rpc_server_call_duration_seconds_bucket{job="gateway",rpc_method="a/Watch",le="+Inf"} 0+1000x20`,
	}, 20 * time.Minute, false},
	{"KeyValueOverloaded", "the queue rejects two a second", []string{`kv_limit_rejections_total` + at + `,limit="queue"} 0+120x15`}, 15 * time.Minute, true},
	{"KeyValueOverloaded", "idle connections give way", []string{`kv_limit_rejections_total` + at + `,limit="connections"} 0+120x15`}, 15 * time.Minute, false},
	{"KeyValueOverloaded", "a burst is rejected", []string{`kv_limit_rejections_total` + at + `,limit="calls"} 0 0 900 900 900 900 900 900 900 900 900 900 900 900 900 900`}, 15 * time.Minute, false},
	{"KeyValueLimitNear", "most connections are used", []string{`kv_limit_used` + at + `,limit="connections"} 950x15`, `kv_limit_max` + at + `,limit="connections"} 1000x15`}, 15 * time.Minute, true},
	{"KeyValueLimitNear", "there is no limit", []string{`kv_limit_used` + at + `,limit="watches"} 950x15`, `kv_limit_max` + at + `,limit="watches"} 0x15`}, 15 * time.Minute, false},
	{"KeyValueHotKey", "a key has most of many reads", []string{`kv_hottest_key_reads_ratio` + at + `} 0.7x30`, `kv_hottest_key_reads_per_second` + at + `} 1000x30`}, 30 * time.Minute, true},
	{"KeyValueHotKey", "a key has all of few reads", []string{`kv_hottest_key_reads_ratio` + at + `} 1x30`, `kv_hottest_key_reads_per_second` + at + `} 2x30`}, 30 * time.Minute, false},
	{"KeyValueHotKey", "a key has few of many reads", []string{`kv_hottest_key_reads_ratio` + at + `} 0.1x30`, `kv_hottest_key_reads_per_second` + at + `} 1000x30`}, 30 * time.Minute, false},
	{"KeyValueHotKey", "a key has most of many writes", []string{`kv_hottest_key_writes_ratio` + at + `} 0.7x30`, `kv_hottest_key_writes_per_second` + at + `} 1000x30`}, 30 * time.Minute, true},
	{"KeyValueHotKey", "a key has all of few writes", []string{`kv_hottest_key_writes_ratio` + at + `} 1x30`, `kv_hottest_key_writes_per_second` + at + `} 2x30`}, 30 * time.Minute, false},
	{"KeyValueHotKey", "a key has few of many writes", []string{`kv_hottest_key_writes_ratio` + at + `} 0.1x30`, `kv_hottest_key_writes_per_second` + at + `} 1000x30`}, 30 * time.Minute, false},
	{"KeyValueMemoryNearLimit", "nearly full", []string{`kv_memory_bytes` + at + `} 95x15`, `kv_memory_limit_bytes` + at + `} 100x15`}, 15 * time.Minute, true},
	{"KeyValueMemoryNearLimit", "no limit", []string{`kv_memory_bytes` + at + `} 95x15`, `kv_memory_limit_bytes` + at + `} 0x15`}, 15 * time.Minute, false},
	{"KeyValueStoreFull", "writes are rejected", []string{ofREST + `"507"} 0+1x10`}, 10 * time.Minute, true},
	{"KeyValueStoreFull", "other failures", []string{ofREST + `"503"} 0+1x10`}, 10 * time.Minute, false},
	{"KeyValueKeysRefused", "two a second", []string{`kv_api_key_failures_total{job="gateway"} 0+120x20`}, 20 * time.Minute, true},
	{"KeyValueKeysRefused", "one a minute", []string{`kv_api_key_failures_total{job="gateway"} 0+1x20`}, 20 * time.Minute, false},
	{"KeyValueKeysFileUnusable", "a change cannot be used", []string{`kv_api_keys_reload_failures_total{job="gateway"} 0 0 1 1`}, 3 * time.Minute, true},
	{"KeyValueKeysFileUnusable", "no change", []string{`kv_api_keys_reload_failures_total{job="gateway"} 1 1 1 1`}, 3 * time.Minute, false},
	{"KeyValueFilesRunOut", "most are open", []string{`process_open_fds` + at + `} 900x10`, `process_max_fds` + at + `} 1000x10`}, 10 * time.Minute, true},
	{"KeyValueFilesRunOut", "another program has them open", []string{`process_open_fds{job="node"} 900x10`, `process_max_fds{job="node"} 1000x10`}, 10 * time.Minute, false},
	{"KeyValueLogFailed", "a write failed", []string{`kv_log_failed` + at + `} 0 1`}, time.Minute, true},
	{"KeyValueLogFailed", "none failed", []string{`kv_log_failed` + at + `} 0 0`}, time.Minute, false},
	{"KeyValueLogBehind", "a write waits for 20 s", []string{`kv_log_unsynced_seconds` + at + `} 0 20 20 20`}, 3 * time.Minute, true},
	{"KeyValueLogBehind", "writes wait for a second", []string{`kv_log_unsynced_seconds` + at + `} 1 1 1 1`}, 3 * time.Minute, false},
	{"KeyValueSyncsSlow", "half a second each", []string{`kv_log_sync_seconds_total` + at + `} 0+30x20`, `kv_log_syncs_total` + at + `} 0+60x20`}, 20 * time.Minute, true},
	{"KeyValueSyncsSlow", "there are none", []string{`kv_log_sync_seconds_total` + at + `} 0+0x20`, `kv_log_syncs_total` + at + `} 0+0x20`}, 20 * time.Minute, false},
	{"KeyValueDiskFills", "less is free than is used", []string{`kv_log_full` + at + `} 0x10`, `kv_log_free_bytes` + at + `} 50x10`, `kv_log_disk_bytes` + at + `} 100x10`}, 10 * time.Minute, true},
	{"KeyValueDiskFills", "no room", []string{`kv_log_full` + at + `} 1x10`}, 10 * time.Minute, true},
	{"KeyValueDiskFills", "what is free is not known", []string{`kv_log_full` + at + `} 0x10`, `kv_log_free_bytes` + at + `} -1x10`, `kv_log_disk_bytes` + at + `} 100x10`}, 10 * time.Minute, false},
	{"KeyValueSnapshotsFail", "one failed", []string{`kv_log_snapshot_failures_total` + at + `} 0 0 1 1`}, 3 * time.Minute, true},
	{"KeyValueSnapshotsFail", "none failed", []string{`kv_log_snapshot_failures_total` + at + `} 0 0 0 0`}, 3 * time.Minute, false},
}

// Each alert fires when it should, and is silent when it should not.
func TestAlertsFireOnTheirConditions(t *testing.T) {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: promQL})
	t.Cleanup(func() { _ = engine.Close() })
	all, tested := rules(t), map[string]map[bool]bool{}
	for _, s := range situations {
		rule, ok := all[s.alert]
		if !ok {
			t.Errorf("there is no alert %s", s.alert)
			continue
		}
		if got := s.firing(t, engine, rule); got != s.fires {
			t.Errorf("%s: %s: it fires: %v, want %v", s.alert, s.name, got, s.fires)
		}
		if tested[s.alert] == nil {
			tested[s.alert] = map[bool]bool{}
		}
		tested[s.alert][s.fires] = true
	}
	for name := range all {
		if !tested[name][true] || !tested[name][false] {
			t.Errorf("no situation in which %s fires, or none in which it does not", name)
		}
	}
}

// firing reports whether the expression of rule had a result in every minute of its duration.
func (s situation) firing(t *testing.T, engine *promql.Engine, rule rulefmt.Rule) bool {
	t.Helper()
	metrics := load(t, s.series)
	for ago := time.Duration(0); ago <= time.Duration(rule.For); ago += time.Minute {
		query, err := engine.NewInstantQuery(t.Context(), metrics, nil, rule.Expr, time.UnixMilli((s.after - ago).Milliseconds()))
		if err != nil {
			t.Fatalf("%s: %v", s.alert, err)
		}
		result, err := query.Exec(t.Context()).Vector()
		query.Close()
		if err != nil {
			t.Fatalf("%s: %v", s.alert, err)
		}
		if len(result) == 0 {
			return false
		}
	}
	return true
}

// load returns the series of descriptions, which have a value each minute.
func load(t *testing.T, descriptions []string) storage.Queryable {
	t.Helper()
	var all []storage.Series
	for _, description := range descriptions {
		name, values, err := promQL.ParseSeriesDesc(description)
		if err != nil {
			t.Fatalf("%s: %v", description, err)
		}
		var samples []chunks.Sample
		for minute, value := range values {
			if !value.Omitted {
				samples = append(samples, sample{(time.Duration(minute) * time.Minute).Milliseconds(), value.Value})
			}
		}
		all = append(all, storage.NewListSeries(name, samples))
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{
		SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
			set := &seriesSet{}
			for _, s := range all {
				if matches(s.Labels(), matchers) {
					set.rest = append(set.rest, s)
				}
			}
			return set
		},
	}}
}

func matches(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// sample is a value at a time in milliseconds.
type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// seriesSet iterates over series.
type seriesSet struct {
	current storage.Series
	rest    []storage.Series
}

func (s *seriesSet) Next() bool {
	if len(s.rest) == 0 {
		return false
	}
	s.current, s.rest = s.rest[0], s.rest[1:]
	return true
}

func (s *seriesSet) At() storage.Series                { return s.current }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
