package client_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"key-value/client"
)

func ExampleWithLogger() {
	url, stop := startExample()
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug, // the default shows only what goes wrong
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "took" {
				return slog.Attr{} // differs from run to run
			}
			return a
		},
	}))
	kv, err := client.New(url, client.WithAPIKey("secret"), client.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	if _, err := kv.Get(context.Background(), "nope"); err == nil {
		log.Fatal("the key exists")
	}
	// Output:
	// level=DEBUG msg="call failed" method=Get code=NOT_FOUND reason=KEY_NOT_FOUND error="not_found: there is no key \"nope\""
}

// A program that sends traces and metrics has set its providers with otel.SetTracerProvider and otel.SetMeterProvider.
func ExampleWithTracing() {
	url, stop := startExample()
	defer stop()
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))

	kv, err := client.New(url, client.WithAPIKey("secret"),
		client.WithTracing(otel.GetTracerProvider()), client.WithMetrics(otel.GetMeterProvider()))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	if _, err := kv.Get(context.Background(), "nope", client.AllowMissing()); err != nil {
		log.Fatal(err)
	}
	for _, span := range spans.Ended() { // the request, which the trace of the service continues, and the call
		fmt.Println(span.SpanKind(), span.Name())
	}
	// Output:
	// client keyvalue.v1.KeyValueService/Get
	// client keyvalue.v1.KeyValueService/Get
}
