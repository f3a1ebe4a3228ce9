package cli

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// span is a span that a receiver got.
type span struct {
	service, name, trace, id, parent string
	attributes                       string // all of them, as text
	links                            int
}

// receiver receives traces and metrics as OTLP over HTTP.
type receiver struct {
	url     string
	mu      sync.Mutex
	spans   []span            // guarded by mu
	metrics []metricsExport   // guarded by mu
	scrape  map[string]string // URLs of metrics, by service, to read during an export of that; guarded by mu
	broken  http.Handler      // answers instead, unless it is nil; guarded by mu
}

// collect starts a receiver. Commands that are started with its environment export their traces to it.
func collect(t *testing.T) *receiver {
	t.Helper()
	c := &receiver{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	for name, value := range c.environment() {
		t.Setenv(name, value) // the exporter reads the environment of the process
	}
	return c
}

func (c *receiver) environment() map[string]string {
	return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url, "OTEL_TRACES_SAMPLER": "parentbased_always_on"}
}

// with adds the environment of the receiver to env.
func (c *receiver) with(env map[string]string) map[string]string {
	for name, value := range c.environment() {
		env[name] = value
	}
	return env
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	if broken != nil {
		broken.ServeHTTP(w, r)
		return
	}
	body, err := decoded(r)
	if err == nil {
		switch r.URL.Path {
		case "/v1/traces":
			err = c.takeTraces(body)
		case "/v1/metrics":
			err = c.takeMetrics(r, body)
		default:
			err = errors.New("unknown path")
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func decoded(r *http.Request) ([]byte, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = unpacked
	}
	return io.ReadAll(body)
}

func (c *receiver) takeTraces(body []byte) error {
	var batch collectorv1.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &batch); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, from := range batch.GetResourceSpans() {
		service := value(from.GetResource().GetAttributes(), "service.name")
		for _, scope := range from.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{
					service, s.GetName(), hex.EncodeToString(s.GetTraceId()), hex.EncodeToString(s.GetSpanId()),
					hex.EncodeToString(s.GetParentSpanId()), s.String(), len(s.GetLinks()),
				})
			}
		}
	}
	return nil
}

func value(attributes []*commonv1.KeyValue, name string) string {
	for _, a := range attributes {
		if a.GetKey() == name {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// chain returns the names of the spans of a trace, each the child of the one before, from the child of parent on.
func (c *receiver) chain(t *testing.T, trace, parent string) (names []string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i < len(c.spans); i++ {
		s := c.spans[i]
		if strings.Contains(s.attributes, "private") {
			t.Errorf("a span contains a key: %s", s.attributes)
		}
		if s.trace == trace && s.parent == parent {
			names, parent, i = append(names, s.service+" "+s.name), s.id, -1
		}
	}
	return names
}

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

// getTraced makes a request to a server as part of the caller's trace with this id.
func getTraced(t *testing.T, trace, url, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Method = http.MethodGet
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", "secret")
	req.Header.Set("Traceparent", "00-"+trace+"-"+callersSpan+"-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

const getPath = "/keyvalue.v1.KeyValueService/Get"

// A trace continues from the caller through the gateway to the service.
func TestATraceCoversBothServices(t *testing.T) {
	c := collect(t)
	service := startKV(t, c.with(map[string]string{"KV_SERVICE_TOKEN": "token"}), "kvservice")
	gateway := startKV(t, c.with(map[string]string{
		"KV_API_KEY": "secret", "KV_SERVICE_TOKEN": "token", "KV_SERVICE": service.url,
	}), "gateway")
	tests := []struct {
		wire, trace string
		path, body  string
		entrance    string
	}{
		{"REST", callersTrace, "/v1/values/private", "", "GET /v1/values/{key}"},
		{"RPC", "4bf92f3577b34da6a3ce929d0e0e4736", getPath, `{"key":"private"}`, getPath[1:]},
	}
	for _, test := range tests {
		getTraced(t, test.trace, gateway.url, test.path, test.body)
	}
	for _, p := range []*process{gateway, service} {
		p.stop()
		<-p.code // all spans have been sent by then
	}
	for _, test := range tests {
		got := strings.Join(c.chain(t, test.trace, callersSpan), ", ")
		want := "kv-gateway " + test.entrance + ", kv-gateway " + getPath[1:] + ", kv-kvservice " + getPath[1:]
		if got != want {
			t.Errorf("%s: the trace is %s\nwant %s", test.wire, got, want)
		}
	}
}

func TestTracesOfOneProcess(t *testing.T) {
	c := collect(t)
	server := startKV(t, c.with(map[string]string{"KV_API_KEY": "secret"}), "serve")
	getTraced(t, callersTrace, server.url, "/v1/values/private", "")
	server.stop()
	<-server.code
	got := strings.Join(c.chain(t, callersTrace, callersSpan), ", ")
	if want := "kv-serve GET /v1/values/{key}, kv-serve " + getPath[1:]; got != want {
		t.Errorf("the trace is %s\nwant %s", got, want)
	}
}

func TestTracingIsOffByDefault(t *testing.T) {
	c := collect(t)
	for name, env := range map[string]map[string]string{
		"no endpoint": {}, "no SDK": c.with(map[string]string{"OTEL_SDK_DISABLED": "true"}),
		"no exporter": c.with(map[string]string{"OTEL_TRACES_EXPORTER": "none"}),
	} {
		env["KV_API_KEY"] = "secret"
		server := startKV(t, env, "serve")
		getTraced(t, callersTrace, server.url, "/v1/values/private", "")
		server.stop()
		<-server.code
		if names := c.chain(t, callersTrace, callersSpan); len(names) != 0 {
			t.Errorf("with %s these spans were exported: %q", name, names)
		}
	}
}

// The SDK would write a line in a format of its own to standard error and export elsewhere, or not at all.
func TestVariablesThatTheSDKWouldIgnoreAreRefused(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	file := filepath.Join(t.TempDir(), "none.pem")
	for _, test := range []struct{ name, value, want string }{
		{endpoint, "collector:4318", `invalid OTEL_EXPORTER_OTLP_ENDPOINT "collector:4318": want a URL such as http://127.0.0.1:4318`},
		{endpoint, "127.0.0.1:4318", `invalid OTEL_EXPORTER_OTLP_ENDPOINT "127.0.0.1:4318": want a URL such as http://127.0.0.1:4318`},
		{endpoint, "collector", `invalid OTEL_EXPORTER_OTLP_ENDPOINT "collector": want a URL .*`},
		{endpoint, "http:collector:4318", `invalid OTEL_EXPORTER_OTLP_ENDPOINT .*`},
		{endpoint, "http://:4318", `invalid OTEL_EXPORTER_OTLP_ENDPOINT .*`},
		{endpoint, "grpc://collector:4317", `invalid OTEL_EXPORTER_OTLP_ENDPOINT .*`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318/v1/traces", `invalid OTEL_EXPORTER_OTLP_TRACES_ENDPOINT .*`},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", `invalid OTEL_EXPORTER_OTLP_PROTOCOL "grpc": want http/protobuf`},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s", `invalid OTEL_EXPORTER_OTLP_TRACES_TIMEOUT "10s": want milliseconds, such as 10000`},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", `invalid OTEL_EXPORTER_OTLP_COMPRESSION "zstd": want gzip or none`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer x", `invalid OTEL_EXPORTER_OTLP_HEADERS: want name=value, and commas between several`},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", file, `OTEL_EXPORTER_OTLP_CERTIFICATE: open .*`},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", file, `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and .* belong together: set both`},
		{"OTEL_TRACES_EXPORTER", "zipkin", `invalid OTEL_TRACES_EXPORTER "zipkin": want otlp or none`},
		{"OTEL_TRACES_SAMPLER", "sometimes", `invalid OTEL_TRACES_SAMPLER "sometimes": want one of always_on, .*`},
		{"OTEL_TRACES_SAMPLER_ARG", "10%", `invalid OTEL_TRACES_SAMPLER_ARG "10%": want a number from 0 to 1`},
		{"OTEL_METRICS_EXPORTER", "statsd", `invalid OTEL_METRICS_EXPORTER "statsd": want otlp, prometheus or none`},
		{"OTEL_METRICS_EXPORTER", "otlp,none", `invalid OTEL_METRICS_EXPORTER "otlp,none": want otlp, prometheus or none`},
		{"OTEL_METRIC_EXPORT_INTERVAL", "30s", `invalid OTEL_METRIC_EXPORT_INTERVAL "30s": want milliseconds, such as 60000`},
		{"OTEL_METRIC_EXPORT_INTERVAL", "0", `invalid OTEL_METRIC_EXPORT_INTERVAL "0": want milliseconds, such as 60000`},
		{"OTEL_METRIC_EXPORT_TIMEOUT", "-1", `invalid OTEL_METRIC_EXPORT_TIMEOUT "-1": want milliseconds, such as 30000`},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "-1", `invalid OTEL_EXPORTER_OTLP_TIMEOUT "-1": want milliseconds, such as 10000`},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "collector:4318", `invalid OTEL_EXPORTER_OTLP_METRICS_ENDPOINT "collector:4318": want a URL such as http://127.0.0.1:4318/v1/metrics`},
		{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", `invalid OTEL_EXPORTER_OTLP_METRICS_PROTOCOL "grpc": want http/protobuf`},
		{"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "secret", `invalid OTEL_EXPORTER_OTLP_METRICS_HEADERS: want name=value, and commas between several`},
		{"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", file, `OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: open .*`},
		{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", `invalid OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE "delta": want cumulative; a collector can convert it`},
		{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram", `invalid .*: want explicit_bucket_histogram`},
		{"OTEL_METRICS_EXEMPLAR_FILTER", "some", `invalid OTEL_METRICS_EXEMPLAR_FILTER "some": want always_on, always_off or trace_based`},
		{"OTEL_PROPAGATORS", "b3", `invalid OTEL_PROPAGATORS "b3": want tracecontext, baggage or none`},
		{"OTEL_PROPAGATORS", "tracecontext, b3multi", `invalid OTEL_PROPAGATORS .*`},
		{"OTEL_PROPAGATORS", "none,tracecontext", `invalid OTEL_PROPAGATORS .*`},
		{"OTEL_BSP_SCHEDULE_DELAY", "5s", `invalid OTEL_BSP_SCHEDULE_DELAY "5s": want milliseconds, such as 5000`},
		{"OTEL_BSP_SCHEDULE_DELAY", "0", `invalid OTEL_BSP_SCHEDULE_DELAY "0": want milliseconds, such as 5000`},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-1", `invalid OTEL_BSP_MAX_QUEUE_SIZE "-1": want a number from 1 to 1000000`},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", `invalid OTEL_BSP_MAX_EXPORT_BATCH_SIZE "-1": want a number from 1 to 1000000`},
		{"OTEL_SPAN_LINK_COUNT_LIMIT", "many", `invalid OTEL_SPAN_LINK_COUNT_LIMIT "many": want a number`},
	} {
		env := map[string]string{endpoint: "http://127.0.0.1:4318", "KV_API_KEY": "secret"}
		env[test.name] = test.value
		check(t, env, "", "serve --listen 127.0.0.1:0", wants{2, "", "kv: " + test.want + `\n.*`})
	}
}

func TestPropagatorsAreHonoured(t *testing.T) {
	for propagators, continues := range map[string]bool{
		"": true, "tracecontext": true, " baggage , tracecontext ": true, "baggage": false, "none": false,
	} {
		c := collect(t)
		server := startKV(t, c.with(map[string]string{"KV_API_KEY": "secret", "OTEL_PROPAGATORS": propagators}), "serve")
		getTraced(t, callersTrace, server.url, "/v1/values/private", "")
		server.stop()
		<-server.code
		if got := len(c.chain(t, callersTrace, callersSpan)) != 0; got != continues || len(c.spans) == 0 {
			t.Errorf("with OTEL_PROPAGATORS=%q the caller's trace continues: %v, in %d spans; want %v", propagators, got, len(c.spans), continues)
		}
	}
}
