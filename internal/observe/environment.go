package observe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

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

// variables are all that the SDK reads, except for OTEL_RESOURCE_ATTRIBUTES, whose errors it returns, and names of files.
var variables = slices.Concat(
	both("ENDPOINT", isEndpoint, "a URL such as http://127.0.0.1:4318"),
	both("PROTOCOL", isOneOf("http/protobuf"), "http/protobuf"),
	both("TIMEOUT", isNumber, "milliseconds, such as 10000"),
	both("COMPRESSION", isOneOf("gzip", "none"), "gzip or none"),
	both("INSECURE", isBool, "true or false"),
	secret(both("HEADERS", areHeaders, "name=value, and commas between several")),
	[]variable{
		{name: "OTEL_TRACES_EXPORTER", valid: isOneOf("otlp", "none"), want: "otlp or none"},
		{name: "OTEL_TRACES_SAMPLER", valid: isOneOf(samplers...), want: "one of " + strings.Join(samplers, ", ")},
		{name: "OTEL_TRACES_SAMPLER_ARG", valid: isRatio, want: "a number from 0 to 1"},
		{name: "OTEL_PROPAGATORS", valid: arePropagators, want: "tracecontext, baggage or none"},
		{name: "OTEL_SDK_DISABLED", valid: isBool, want: "true or false"},
	},
	numbers("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
		"OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
)

var samplers = []string{
	"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
}

// exporter are the prefixes of the variables of the exporter: for all signals, and for traces.
var exporter = []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"}

func both(name string, valid func(string) bool, want string) []variable {
	var all []variable
	for _, prefix := range exporter {
		all = append(all, variable{name: prefix + name, valid: valid, want: want})
	}
	return all
}

func secret(all []variable) []variable {
	for i := range all {
		all[i].secret = true
	}
	return all
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

// check returns an error for the first variable whose value the SDK would not use.
func (get environment) check() error {
	for _, v := range variables {
		value := get.value(v.name)
		switch {
		case value == "" || v.valid(value):
		case v.secret:
			return fmt.Errorf("invalid %s: want %s", v.name, v.want)
		default:
			return fmt.Errorf("invalid %s %q: want %s", v.name, value, v.want)
		}
	}
	for _, prefix := range exporter {
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

// traces reports whether traces are to be recorded and exported.
func (get environment) traces() bool {
	endpoint := slices.ContainsFunc(exporter, func(prefix string) bool { return get.value(prefix+"ENDPOINT") != "" })
	return endpoint && !strings.EqualFold(get.value("OTEL_SDK_DISABLED"), "true") && get.value("OTEL_TRACES_EXPORTER") != "none"
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
