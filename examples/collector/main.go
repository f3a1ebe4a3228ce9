// Command collector shows what a server exports with OTLP over HTTP, on the port of a collector. It prints the metrics whose
// names are its arguments, and the names of all spans:
//
//	go run ./examples/collector kv_keys http.server.request.duration
package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"

	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracesv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

func main() {
	http.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		var export metricsv1.ExportMetricsServiceRequest
		if receive(w, r, &export) {
			showMetrics(&export, os.Args[1:])
		}
	})
	http.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var export tracesv1.ExportTraceServiceRequest
		if receive(w, r, &export) {
			showSpans(&export)
		}
	})
	fmt.Println("listening on http://127.0.0.1:4318")
	log.Fatal(http.ListenAndServe("127.0.0.1:4318", nil))
}

// receive reads an export, and reports whether it is valid.
func receive(w http.ResponseWriter, r *http.Request, export proto.Message) bool {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return false
		}
		body = unpacked
	}
	data, err := io.ReadAll(body)
	if err == nil {
		err = proto.Unmarshal(data, export)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func showMetrics(export *metricsv1.ExportMetricsServiceRequest, names []string) {
	for _, from := range export.GetResourceMetrics() {
		for _, scope := range from.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				if !slices.Contains(names, m.GetName()) {
					continue
				}
				for _, p := range slices.Concat(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()) {
					fmt.Println("metric", m.GetName(), p.GetAsDouble())
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					fmt.Println("metric", m.GetName(), "count", p.GetCount())
				}
			}
		}
	}
}

func showSpans(export *tracesv1.ExportTraceServiceRequest) {
	for _, from := range export.GetResourceSpans() {
		for _, scope := range from.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				fmt.Println("span", span.GetName())
			}
		}
	}
}
