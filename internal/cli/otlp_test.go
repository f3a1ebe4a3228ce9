package cli

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// metricsExport is an export of metrics that a receiver got.
type metricsExport struct {
	header   http.Header
	resource []*commonv1.KeyValue
	series   series            // as Prometheus names them
	units    map[string]string // by the names on the wire
	numbers  []string          // attributes that are numbers
	scraped  series            // what the admin address said at the same time; nil without one
}

// series are the values of time series, by name and labels as Prometheus writes them.
type series map[string]float64

func (c *receiver) takeMetrics(r *http.Request, body []byte) error {
	var batch collectorv1.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &batch); err != nil {
		return err
	}
	e := metricsExport{header: r.Header, series: series{}, units: map[string]string{}}
	for _, from := range batch.GetResourceMetrics() {
		e.resource = from.GetResource().GetAttributes()
		for _, scope := range from.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				e.add(m)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if url := c.scrape[value(e.resource, "service.name")]; url != "" {
		res, err := http.Get(url)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if e.scraped, err = readSeries(res.Body); err != nil {
			return err
		}
	}
	c.metrics = append(c.metrics, e)
	return nil
}

// add adds the series that Prometheus makes of a metric.
func (e *metricsExport) add(m *metricsv1.Metric) {
	if _, twice := e.units[m.GetName()]; twice {
		panic(m.GetName() + " was exported twice")
	}
	e.units[m.GetName()] = m.GetUnit()
	name := strings.ReplaceAll(m.GetName(), ".", "_")
	if m.GetUnit() == "s" {
		name += "_seconds"
	}
	for _, p := range slices.Concat(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()) {
		e.set(name, p.GetAsDouble(), p.GetAttributes())
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		e.set(name+"_sum", p.GetSum(), p.GetAttributes())
		e.set(name+"_count", float64(p.GetCount()), p.GetAttributes())
		var below uint64
		for i, bound := range append(slices.Clone(p.GetExplicitBounds()), math.Inf(1)) {
			below += p.GetBucketCounts()[i]
			e.set(name+"_bucket", float64(below), p.GetAttributes(), "le", strconv.FormatFloat(bound, 'g', -1, 64))
		}
	}
	for _, p := range m.GetSummary().GetDataPoints() {
		e.set(name+"_sum", p.GetSum(), p.GetAttributes())
		e.set(name+"_count", float64(p.GetCount()), p.GetAttributes())
		for _, q := range p.GetQuantileValues() {
			e.set(name, q.GetValue(), p.GetAttributes(), "quantile", strconv.FormatFloat(q.GetQuantile(), 'g', -1, 64))
		}
	}
}

func (e *metricsExport) set(name string, value float64, attributes []*commonv1.KeyValue, label ...string) {
	labels := map[string]string{}
	if len(label) == 2 {
		labels[label[0]] = label[1]
	}
	for _, a := range attributes {
		text := a.GetValue().GetStringValue()
		if _, number := a.GetValue().GetValue().(*commonv1.AnyValue_IntValue); number {
			e.numbers = append(e.numbers, a.GetKey())
			text = strconv.FormatInt(a.GetValue().GetIntValue(), 10)
		}
		labels[strings.ReplaceAll(a.GetKey(), ".", "_")] = text
	}
	e.series[name+labelled(labels)] = value
}

// labelled writes labels as Prometheus does, without empty ones.
func labelled(labels map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" {
			all = append(all, fmt.Sprintf("%s=%q", name, labels[name]))
		}
	}
	return "{" + strings.Join(all, ",") + "}"
}

var (
	seriesLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// readSeries reads the text format of Prometheus.
func readSeries(text io.Reader) (series, error) {
	all, lines := series{}, bufio.NewScanner(text)
	for lines.Scan() {
		match := seriesLine.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		labels := map[string]string{}
		for _, pair := range labelPair.FindAllStringSubmatch(match[2], -1) {
			labels[pair[1]] = pair[2]
		}
		value, err := strconv.ParseFloat(match[3], 64)
		if err != nil {
			return nil, err
		}
		all[match[1]+labelled(labels)] = value
	}
	return all, lines.Err()
}

// last returns the last export of metrics by a service.
func (c *receiver) last(t *testing.T, service string) metricsExport {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range slices.Backward(c.metrics) {
		if value(e.resource, "service.name") == service {
			return e
		}
	}
	t.Fatalf("%s exported no metrics", service)
	return metricsExport{}
}

// volatile are series whose values change while nothing is done.
var volatile = regexp.MustCompile(`^(go|process)_|^kv_log_(free_bytes|unsynced_seconds|sync)|^kv_hottest_key_\w+_per_second`)

// wantSame checks that what was exported is what the admin address said at the same time.
func (e metricsExport) wantSame(t *testing.T) {
	t.Helper()
	if len(e.scraped) == 0 {
		t.Fatal("nothing was scraped")
	}
	for name, value := range e.scraped {
		got, ok := e.series[name]
		if !ok || got != value && !volatile.MatchString(name) {
			t.Errorf("exported %s = %v (%v), want %v", name, got, ok, value)
		}
	}
	for name := range e.series {
		if _, ok := e.scraped[name]; !ok {
			t.Errorf("exported %s, which /metrics does not have", name)
		}
	}
}

// Both are read while a server that has drained sends its last metrics.
func TestExportedMetricsAreThoseOfTheAdminAddress(t *testing.T) {
	c := collect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "tenant=a%20b")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "region=north")
	service := startObserved(t, c.with(map[string]string{"KV_SERVICE_TOKEN": "token"}), "kvservice", "--data-dir", t.TempDir())
	gateway := startObserved(t, c.with(map[string]string{
		"KV_API_KEY": "secret", "KV_SERVICE_TOKEN": "token", "KV_SERVICE": service.url,
	}), "gateway")
	c.scrapes(map[string]string{"kv-kvservice": service.admin, "kv-gateway": gateway.admin})
	use(t, gateway.url)
	for _, p := range []observed{gateway, service} {
		p.stop()
		<-p.code
	}
	atGateway, atService := c.last(t, "kv-gateway"), c.last(t, "kv-kvservice")
	atGateway.wantSame(t)
	atService.wantSame(t)
	for _, e := range []metricsExport{atGateway, atService} {
		if h := e.header; h.Get("Content-Encoding") != "gzip" || h.Get("Tenant") != "a b" {
			t.Errorf("the headers of an export are %v", h)
		}
	}
	for _, name := range []string{"http.server.request.duration", "rpc.server.call.duration", "rpc.client.call.duration"} {
		if unit, ok := atGateway.units[name]; !ok || unit != "s" {
			t.Errorf("%s has the unit %q (%v), want s", name, unit, ok)
		}
	}
	if got := slices.Compact(atGateway.numbers); !slices.Equal(got, []string{"http.response.status_code"}) {
		t.Errorf("the attributes that are numbers are %q", got)
	}
	if got := atService.series[`kv_hits_total{}`]; got != 3 {
		t.Errorf("the last export says %v hits, want 3", got)
	}
	if id, region := value(atService.resource, "service.instance.id"), value(atService.resource, "region"); !strings.Contains(id, ":process-") || region != "north" {
		t.Errorf("service.instance.id is %q, want one of the process; region is %q, want north", id, region)
	}
	if strings.Contains(fmt.Sprint(atGateway, atService), "private") {
		t.Error("exported metrics contain input of a caller")
	}
}

func (c *receiver) scrapes(admins map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scrape = map[string]string{}
	for service, admin := range admins {
		c.scrape[service] = admin + "/metrics"
	}
}

// counts returns how many exports of each signal arrived.
func (c *receiver) counts() (spans, metrics int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.spans), len(c.metrics)
}

func TestSignalsAreExportedThatTheVariablesAskFor(t *testing.T) {
	c := collect(t)
	const (
		endpoint, ofTraces, ofMetrics = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
		tracesBy, metricsBy           = "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"
	)
	for _, test := range []struct {
		env             map[string]string
		traces, metrics bool
	}{
		{map[string]string{}, false, false},
		{map[string]string{endpoint: c.url}, true, true},
		{map[string]string{endpoint: c.url, "OTEL_SDK_DISABLED": "TRUE"}, false, false},
		{map[string]string{ofTraces: c.url + "/v1/traces"}, true, false},
		{map[string]string{ofMetrics: c.url + "/v1/metrics"}, false, true},
		{map[string]string{ofMetrics: c.url + "/v1/metrics", metricsBy: "none"}, false, false},
		{map[string]string{endpoint: c.url, metricsBy: "none"}, true, false},
		{map[string]string{endpoint: c.url, metricsBy: "prometheus"}, true, false},
		{map[string]string{endpoint: c.url, metricsBy: "prometheus, otlp"}, true, true},
		{map[string]string{endpoint: c.url, tracesBy: "none"}, false, true},
		{map[string]string{endpoint: c.url, tracesBy: "none", ofTraces + "_PROTOCOL": "grpc"}, false, true},
		{map[string]string{endpoint: "http://127.0.0.1:1", ofMetrics: c.url + "/v1/metrics", tracesBy: "none"}, false, true},
	} {
		test.env["KV_API_KEY"] = "secret"
		spans, metrics := c.counts()
		server := startKV(t, test.env, "serve")
		getTraced(t, callersTrace, server.url, "/v1/values/private", "")
		server.stop()
		if code := <-server.code; code != 0 {
			t.Errorf("with %v the exit code is %d", test.env, code)
		}
		moreSpans, moreMetrics := c.counts()
		if traces := moreSpans > spans; traces != test.traces || moreMetrics > metrics != test.metrics {
			t.Errorf("with %v traces are exported: %v, metrics: %v; want %v, %v", test.env, traces, moreMetrics > metrics, test.traces, test.metrics)
		}
	}
}

func TestMetricsAreExportedPeriodically(t *testing.T) {
	c := collect(t)
	startKV(t, c.with(map[string]string{"KV_API_KEY": "secret", "OTEL_METRIC_EXPORT_INTERVAL": " 10 "}), "serve")
	repeat(t, func() error {
		if _, n := c.counts(); n < 3 {
			time.Sleep(10 * time.Millisecond)
			return fmt.Errorf("metrics were exported %d times, want at least 3", n)
		}
		return nil
	})
}

// A collector that does not do its part costs a line in the log now and then, and no call.
func TestBrokenCollectors(t *testing.T) {
	c := collect(t)
	released := make(chan struct{})
	partial, err := proto.Marshal(&collectorv1.ExportMetricsServiceResponse{PartialSuccess: &collectorv1.ExportMetricsPartialSuccess{
		RejectedDataPoints: 7, ErrorMessage: "too old",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		broken http.HandlerFunc
		want   string
	}{
		{"rejects", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such tenant", http.StatusForbidden) }, "no such tenant"},
		{"is overloaded", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "retry-able request failure"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}, "reader collect and export timeout"},
		{"takes a part", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(partial)
		}, "7 metric data points rejected"},
		{"aborts", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		var asked atomic.Int64
		c.breaks(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			test.broken(w, r)
		})
		env := c.with(map[string]string{
			"KV_API_KEY": "secret", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRIC_EXPORT_INTERVAL": "10", "OTEL_METRIC_EXPORT_TIMEOUT": "100",
		})
		server := startKV(t, env, "serve")
		if line := server.log.find(t.Context(), `level=WARN msg="metrics are not sent" error=(.*) failures=1`); !strings.Contains(line, test.want) {
			t.Errorf("a collector that %s: the log says %s, want %s", test.name, line, test.want)
		}
		for before := asked.Load(); asked.Load() < before+3; {
			if status, _ := fetch(t, server.url+"/v1/values/none"); status != http.StatusNotFound {
				t.Errorf("a collector that %s: a call has status %d", test.name, status)
			}
		}
		c.breaks(nil)
		server.log.find(t.Context(), `level=INFO msg="(metrics are sent again)"`)
		server.stop()
		if code := <-server.code; code != 0 || strings.Count(server.log.String(), "metrics are not sent") != 1 {
			t.Errorf("a collector that %s: the exit code is %d, the log\n%s", test.name, code, server.log.String())
		}
	}
	close(released)
}

func (c *receiver) breaks(broken http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken = nil; broken != nil {
		c.broken = broken
	}
}

// What cannot be sent keeps a server that stops for no longer than its grace period allows for.
func TestACollectorThatIsDownDoesNotKeepAServerFromStopping(t *testing.T) {
	c := collect(t)
	c.url = "http://127.0.0.1:1"
	server := startKV(t, c.with(map[string]string{"KV_API_KEY": "secret"}), "serve")
	getTraced(t, callersTrace, server.url, "/v1/values/private", "")
	server.stop()
	if code := <-server.code; code != 0 {
		t.Errorf("the exit code is %d, want 0", code)
	}
	for _, want := range []string{`msg="traces are not sent" error=.* failures=1`, `msg="sending the last metrics failed" error=`} {
		if !regexp.MustCompile(`level=WARN ` + want).MatchString(server.log.String()) {
			t.Errorf("the log does not say %s:\n%s", want, server.log.String())
		}
	}
}
