package observe

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// variable is an environment variable of OpenTelemetry. The SDK ignores a value that it cannot use, or takes it for
// another one, and writes a line to standard error in a format of its own. So values are checked before.
type variable struct {
	name   string
	valid  func(value string) bool
	want   string
	secret bool // whether errors must not show the value
}

// signal is a kind of telemetry, as the names of variables spell it.
type signal string

const (
	traces  signal = "TRACES"
	metrics signal = "METRICS"
)

// common are the variables that the SDK reads for all signals, except for OTEL_RESOURCE_ATTRIBUTES, whose errors it returns,
// and names of files.
var common = append(exporter("OTEL_EXPORTER_OTLP_", "http://127.0.0.1:4318"),
	variable{name: "OTEL_SDK_DISABLED", valid: isBool, want: "true or false"})

// variables are those that it reads for one signal.
var variables = map[signal][]variable{
	traces: slices.Concat(
		exporter("OTEL_EXPORTER_OTLP_TRACES_", "http://127.0.0.1:4318/v1/traces"),
		[]variable{
			{name: "OTEL_TRACES_EXPORTER", valid: isOneOf("otlp", "none"), want: "otlp or none"},
			{name: "OTEL_TRACES_SAMPLER", valid: isOneOf(samplers...), want: "one of " + strings.Join(samplers, ", ")},
			{name: "OTEL_TRACES_SAMPLER_ARG", valid: isRatio, want: "a number from 0 to 1"},
			{name: "OTEL_PROPAGATORS", valid: arePropagators, want: "tracecontext, baggage or none"},
		},
		[]variable{
			{name: "OTEL_BSP_SCHEDULE_DELAY", valid: isPositive, want: "milliseconds, such as 5000"},
			{name: "OTEL_BSP_EXPORT_TIMEOUT", valid: isPositive, want: "milliseconds, such as 30000"},
			{name: "OTEL_BSP_MAX_QUEUE_SIZE", valid: isSpanCount, want: "a number from 1 to 1000000"},
			{name: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", valid: isSpanCount, want: "a number from 1 to 1000000"},
		},
		numbers("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
			"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
			"OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
	),
	metrics: slices.Concat(
		exporter("OTEL_EXPORTER_OTLP_METRICS_", "http://127.0.0.1:4318/v1/metrics"),
		[]variable{
			{name: "OTEL_METRICS_EXPORTER", valid: areMetricsExporters, want: "otlp, prometheus or none"},
			{name: intervalVariable, valid: isPositive, want: "milliseconds, such as 60000"},
			{name: exportTimeoutVariable, valid: isPositive, want: "milliseconds, such as 30000"},
			{name: "OTEL_METRICS_EXEMPLAR_FILTER", valid: isOneOf("always_on", "always_off", "trace_based"), want: "always_on, always_off or trace_based"},
			// The metrics are made for Prometheus, which knows nothing else.
			{name: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", valid: isOneOf("cumulative"), want: "cumulative; a collector can convert it"},
			{name: "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", valid: isOneOf("explicit_bucket_histogram"), want: "explicit_bucket_histogram"},
		},
	),
}

// The SDK does not ignore spaces around these, so their values are given to it.
const (
	intervalVariable      = "OTEL_METRIC_EXPORT_INTERVAL"
	exportTimeoutVariable = "OTEL_METRIC_EXPORT_TIMEOUT"
)

var samplers = []string{
	"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
}

// exporter returns the variables of an exporter, whose names begin with prefix.
func exporter(prefix, endpoint string) []variable {
	return []variable{
		{name: prefix + "ENDPOINT", valid: isEndpoint, want: "a URL such as " + endpoint},
		{name: prefix + "PROTOCOL", valid: isOneOf("http/protobuf"), want: "http/protobuf"},
		{name: prefix + "TIMEOUT", valid: isPositive, want: "milliseconds, such as 10000"},
		{name: prefix + "COMPRESSION", valid: isOneOf("gzip", "none"), want: "gzip or none"},
		{name: prefix + "INSECURE", valid: isBool, want: "true or false"},
		{name: prefix + "HEADERS", valid: areHeaders, want: "name=value, and commas between several", secret: true},
	}
}

func numbers(names ...string) []variable {
	var all []variable
	for _, name := range names {
		all = append(all, variable{name: name, valid: isNumber, want: "a number"})
	}
	return all
}

// environment reads variables without the spaces around them, as the SDK does.
type environment func(name string) string

func (get environment) value(name string) string { return strings.TrimSpace(get(name)) }

// milliseconds returns the value of a variable that check has found valid, zero if it is not set.
func (get environment) milliseconds(name string) time.Duration {
	n, _ := strconv.ParseInt(get.value(name), 10, 64)
	return time.Duration(n) * time.Millisecond
}

// check returns an error for the first variable of the signals, or of all, whose value the SDK would not use.
func (get environment) check(signals ...signal) error {
	checked, prefixes := common, []string{"OTEL_EXPORTER_OTLP_"}
	for _, s := range signals {
		checked, prefixes = slices.Concat(checked, variables[s]), append(prefixes, "OTEL_EXPORTER_OTLP_"+string(s)+"_")
	}
	for _, v := range checked {
		value := get.value(v.name)
		switch {
		case value == "" || v.valid(value):
		case v.secret:
			return fmt.Errorf("invalid %s: want %s", v.name, v.want)
		default:
			return fmt.Errorf("invalid %s %q: want %s", v.name, value, v.want)
		}
	}
	for _, prefix := range prefixes {
		if err := get.checkFiles(prefix); err != nil {
			return err
		}
	}
	return nil
}

// checkFiles checks the TLS files of the exporter.
func (get environment) checkFiles(prefix string) error {
	if name := get.value(prefix + "CERTIFICATE"); name != "" {
		pem, err := os.ReadFile(name)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
			err = errors.New(name + " has no certificate")
		}
		if err != nil {
			return fmt.Errorf("%sCERTIFICATE: %w", prefix, err)
		}
	}
	cert, key := get.value(prefix+"CLIENT_CERTIFICATE"), get.value(prefix+"CLIENT_KEY")
	if cert == "" && key == "" {
		return nil
	}
	if cert == "" || key == "" {
		return fmt.Errorf("%[1]sCLIENT_CERTIFICATE and %[1]sCLIENT_KEY belong together: set both", prefix)
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return fmt.Errorf("%sCLIENT_CERTIFICATE: %w", prefix, err)
	}
	return nil
}

// wants reports whether a signal is to be exported: it has an endpoint, or its exporter is named.
func (get environment) wants(s signal) bool {
	if strings.EqualFold(get.value("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	switch get.value("OTEL_" + string(s) + "_EXPORTER") {
	case "":
		return get.value("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get.value("OTEL_EXPORTER_OTLP_"+string(s)+"_ENDPOINT") != ""
	case "none", "prometheus":
		return false
	}
	return true
}

// endpoint returns the URL that a signal is sent to. One for the signal is taken as it is; to that for all, a path is added.
func (get environment) endpoint(s signal) string {
	own, err := url.Parse(get.value("OTEL_EXPORTER_OTLP_" + string(s) + "_ENDPOINT"))
	if err == nil && own.Host != "" {
		own.Path = cmp.Or(own.Path, "/")
		return own.String()
	}
	base, err := url.Parse(cmp.Or(get.value("OTEL_EXPORTER_OTLP_ENDPOINT"), "http://localhost:4318"))
	if err != nil {
		return "" // check refuses it
	}
	return base.JoinPath("v1", strings.ToLower(string(s))).String()
}

// propagator returns how a trace continues from the caller, and to the service. Spans have no baggage, and nothing here
// reads it, so it is not passed on.
func (get environment) propagator() propagation.TextMapPropagator {
	names := get.value("OTEL_PROPAGATORS")
	if names == "" || slices.Contains(list(names), "tracecontext") {
		return propagation.TraceContext{}
	}
	return propagation.NewCompositeTextMapPropagator() // of none
}

func arePropagators(value string) bool {
	names := list(value)
	return !slices.ContainsFunc(names, func(name string) bool { return !isOneOf("tracecontext", "baggage", "none")(name) }) &&
		(len(names) == 1 || !slices.Contains(names, "none"))
}

// list returns the elements of a list with commas.
func list(value string) []string {
	elements := strings.Split(value, ",")
	for i, element := range elements {
		elements[i] = strings.TrimSpace(element)
	}
	return elements
}

// areMetricsExporters reports whether value is a list of exporters. The one for Prometheus is the admin address.
func areMetricsExporters(value string) bool {
	names := list(value)
	return !slices.ContainsFunc(names, func(name string) bool { return !isOneOf("otlp", "prometheus", "none")(name) }) &&
		(len(names) == 1 || !slices.Contains(names, "none"))
}

func isOneOf(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

func isEndpoint(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

func isBool(value string) bool {
	return strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
}

func isNumber(value string) bool {
	_, err := strconv.Atoi(value)
	return err == nil
}

// isPositive reports whether value is a number of milliseconds that a time.Duration can be.
func isPositive(value string) bool {
	n, err := strconv.ParseInt(value, 10, 64)
	return err == nil && n > 0 && n <= int64(math.MaxInt64/time.Millisecond)
}

// isSpanCount reports whether value is a number of spans that the SDK can hold: it allocates them at the start.
func isSpanCount(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n > 0 && n <= 1_000_000
}

func isRatio(value string) bool {
	ratio, err := strconv.ParseFloat(value, 64)
	return err == nil && ratio >= 0 && ratio <= 1
}

func areHeaders(value string) bool {
	for _, header := range list(value) {
		name, content, ok := strings.Cut(header, "=")
		_, err := url.PathUnescape(content)
		if !ok || err != nil || strings.TrimSpace(name) == "" || strings.ContainsAny(strings.TrimSpace(name), " \t\"(),/:;<=>?@[\\]{}") {
			return false
		}
	}
	return true
}
