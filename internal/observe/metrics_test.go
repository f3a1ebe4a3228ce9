package observe

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"github.com/prometheus/client_golang/prometheus"

	"key-value/internal/observe/calls"
)

// Measuring happens for every call.
func TestMeasuringDoesNotAllocate(t *testing.T) {
	m := NewMetrics("test", "1")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/values/a", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	m.Request(r, "/v1/values/{key}", http.StatusOK, time.Millisecond)
	rpc := call{connect.ProtocolNameGRPC, "/keyvalue.v1.KeyValueService/Get", 0}
	m.served.observe(rpc, time.Millisecond)
	if n := testing.AllocsPerRun(100, func() {
		m.Request(r, "/v1/values/{key}", http.StatusOK, time.Millisecond)
		m.served.observe(rpc, time.Millisecond)
	}); n != 0 {
		t.Errorf("two observations take %v allocations, want 0", n)
	}
}

func TestConcurrentObservationsAreAllCounted(t *testing.T) {
	const callers, each = 8, 50
	d := newDurations("test", "Test.", func(i int) []string { return []string{strconv.Itoa(i)} }, "number")
	done := make(chan struct{})
	for range callers {
		go func() {
			for i := range each {
				d.observe(i, time.Second)
			}
			done <- struct{}{}
		}()
	}
	for range callers {
		<-done
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(d.vec)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(families[0].GetMetric()); n != each {
		t.Errorf("there are %d time series, want %d", n, each)
	}
	for _, series := range families[0].GetMetric() {
		if n := series.GetHistogram().GetSampleCount(); n != callers {
			t.Errorf("%v counted %d observations, want %d", series.GetLabel(), n, callers)
		}
	}
}

func TestLabelsFollowTheConventions(t *testing.T) {
	for protocol, want := range map[string]string{
		connect.ProtocolNameConnect: "connectrpc", connect.ProtocolNameGRPC: "grpc", connect.ProtocolNameGRPCWeb: "grpc_web",
	} {
		got := call{protocol, "/keyvalue.v1.KeyValueService/Get", connect.CodeNotFound}.labels()
		if got[0] != want || got[1] != "keyvalue.v1.KeyValueService/Get" || got[2] != "NOT_FOUND" {
			t.Errorf("a call over %s has labels %q", protocol, got)
		}
	}
	for name, want := range map[string]string{http.MethodPatch: "PATCH", "SECRET": calls.Other, "get": calls.Other} {
		if got := method(name); got != want {
			t.Errorf("method(%s) = %s, want %s", name, got, want)
		}
	}
}
