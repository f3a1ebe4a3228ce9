package observe

import (
	"context"
	"fmt"
	"strconv"

	prometheusbridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Export exports metrics with OTLP. [OTLP.Export] creates it.
type Export struct{ provider *metric.MeterProvider }

// WantsMetrics reports whether the environment asks for metrics.
func (o *OTLP) WantsMetrics() bool { return o.env.wants(metrics) }

// Export starts to export m, every 60 s unless OTEL_METRIC_EXPORT_INTERVAL is set. It returns nil if the environment does not
// ask for metrics.
func (o *OTLP) Export(ctx context.Context, m *Metrics) (*Export, error) {
	if !o.WantsMetrics() {
		return nil, nil
	}
	exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(o.env.endpoint(metrics)))
	if err != nil {
		return nil, fmt.Errorf("create metric exporter: %w", err)
	}
	o.handleErrors()
	reader := metric.NewPeriodicReader(metricExporter{exporter, &failures{log: o.log, what: "metrics"}},
		metric.WithProducer(conventional{prometheusbridge.NewMetricProducer(prometheusbridge.WithGatherer(m.registry))}),
		metric.WithInterval(o.env.milliseconds(intervalVariable)), metric.WithTimeout(o.env.milliseconds(exportTimeoutVariable)))
	return &Export{metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(o.about))}, nil
}

// Close exports the metrics as they are now, and then no more. It returns when ctx is done, at the latest.
func (e *Export) Close(ctx context.Context) error { return e.provider.Shutdown(ctx) }

// metricExporter notes which exports fail.
type metricExporter struct {
	metric.Exporter
	failures *failures
}

// Export implements [metric.Exporter].
func (e metricExporter) Export(ctx context.Context, all *metricdata.ResourceMetrics) error {
	return e.failures.note(e.Exporter.Export(ctx, all))
}

// conventional is a producer of metrics that spells names as the semantic conventions do, where these have one. Prometheus
// spells them like our own registry when it receives them.
type conventional struct{ metric.Producer }

// durationNames are the histograms that the conventions define, in seconds.
var durationNames = map[string]string{
	"http_server_request_duration_seconds": "http.server.request.duration",
	"rpc_server_call_duration_seconds":     "rpc.server.call.duration",
	"rpc_client_call_duration_seconds":     "rpc.client.call.duration",
}

// attributeNames are those of their labels.
var attributeNames = map[attribute.Key]attribute.Key{
	"http_request_method":       "http.request.method",
	"http_response_status_code": statusAttribute,
	"http_route":                "http.route",
	"rpc_method":                "rpc.method",
	"rpc_response_status_code":  "rpc.response.status_code",
	"rpc_system_name":           "rpc.system.name",
	"url_scheme":                "url.scheme",
}

// statusAttribute is the only attribute that is a number.
const statusAttribute = "http.response.status_code"

// Produce implements [metric.Producer].
func (c conventional) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	scopes, err := c.Producer.Produce(ctx)
	for _, scope := range scopes {
		for i, m := range scope.Metrics {
			name, ok := durationNames[m.Name]
			if histogram, is := m.Data.(metricdata.Histogram[float64]); ok && is {
				scope.Metrics[i].Name, scope.Metrics[i].Unit = name, "s"
				for j := range histogram.DataPoints {
					histogram.DataPoints[j].Attributes = conventionalSet(histogram.DataPoints[j].Attributes)
				}
			}
		}
	}
	return scopes, err
}

// conventionalSet returns labels as attributes. An attribute that is not known is left out.
func conventionalSet(labels attribute.Set) attribute.Set {
	var all []attribute.KeyValue
	for _, label := range labels.ToSlice() {
		name, value := attributeNames[label.Key], label.Value.AsString()
		switch status, err := strconv.Atoi(value); {
		case value == "":
		case name == statusAttribute && err == nil:
			all = append(all, attribute.Int(statusAttribute, status))
		default:
			all = append(all, attribute.String(string(name), value))
		}
	}
	return attribute.NewSet(all...)
}
