package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// recovery is how long a gateway may take to reach a service that is back, on a busy machine. Pauses that grow would take
// minutes. The fault suite checks the 2 s that the documents promise.
const recovery = 20 * time.Second

// eventually waits until holds returns true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func TestAGatewayReportsThatItsServiceIsGone(t *testing.T) {
	d := twoProcesses(t)
	if code := d.service.stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	expectUnavailable(t, d.url)
	if got := status(t, d.url+"/health"); got != http.StatusOK {
		t.Errorf("GET /health = %d, want 200: the gateway itself is healthy", got)
	}

	startService(t, d.service.Addr)
	back := time.Now()
	eventually(t, "the service is back", func() bool { return status(t, d.url+"/readyz") == http.StatusOK })
	if took := time.Since(back); took > recovery {
		t.Errorf("the gateway reached its service after %v, want within %v", took, recovery)
	}
	for _, w := range wires {
		if got := w.call(t, d.url, "Set", apiKey, `{"key":"a","value":"b"}`).verdict(); got != "ok" {
			t.Errorf("%s: Set once the service is back = %s, want ok", w.name, got)
		}
	}
}

func TestAGatewayWithTheWrongTokenIsNotReady(t *testing.T) {
	service := startService(t, "127.0.0.1:0")
	gateway := startGateway(t, service.Addr, "wrong")
	expectUnavailable(t, "http://"+gateway.Addr)
	if log := gateway.Log.String(); !strings.Contains(log, "KV_SERVICE_TOKEN") {
		t.Errorf("the log does not name the cause:\n%s", log)
	}
}

// expectUnavailable checks that every wire of a gateway reports the service as unavailable.
func expectUnavailable(t *testing.T, base string) {
	t.Helper()
	if got := status(t, base+"/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("GET /readyz = %d, want 503", got)
	}
	c := &conversation{base: base}
	res, body := c.send(t, restStep{method: "GET", target: "/v1/values/a"})
	if got := statusAndReason(res, body); got != "503 SERVICE_UNAVAILABLE" || res.Header.Get("Retry-After") == "" {
		t.Errorf("GET = %s, Retry-After %q; want 503 SERVICE_UNAVAILABLE and one", got, res.Header.Get("Retry-After"))
	}
	for _, w := range wires {
		if got := w.call(t, base, "Get", apiKey, `{"key":"a"}`).verdict(); got != "unavailable SERVICE_UNAVAILABLE" {
			t.Errorf("%s: Get = %s, want unavailable SERVICE_UNAVAILABLE", w.name, got)
		}
	}
}

func TestAGatewayGivesUpOnAServiceThatHangs(t *testing.T) {
	d := twoProcesses(t)
	if err := d.service.Pause(); err != nil {
		t.Fatal(err)
	}
	c := &conversation{base: d.url}
	res, body := c.send(t, restStep{method: "GET", target: "/v1/values/a"})
	switch got := statusAndReason(res, body); got {
	case "504 DEADLINE_EXCEEDED", "503 SERVICE_UNAVAILABLE": // it depends on what is noticed first
	default:
		t.Errorf("GET = %s, want 504 DEADLINE_EXCEEDED or 503 SERVICE_UNAVAILABLE", got)
	}
	if err := d.service.Continue(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service is back", func() bool { return status(t, d.url+"/readyz") == http.StatusOK })
}

func TestAServiceRejectsCallersWithoutItsToken(t *testing.T) {
	service := startService(t, "127.0.0.1:0")
	base := "http://" + service.Addr
	for _, w := range wires {
		for _, method := range []string{"Get", "Set", "Delete", "Touch", "Increment", "List", "Batch", "GetStats"} {
			for _, key := range []string{"", "wrong", apiKey} {
				got := w.call(t, base, method, key, `{}`).verdict()
				if want := "unauthenticated API_KEY_INVALID"; got != want {
					t.Errorf("%s: %s with the key %q = %s, want %s", w.name, method, key, got, want)
				}
			}
		}
	}
}

func TestAFullStoreReportsIt(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			c := &conversation{base: d.start(t, "KV_MAX_MEMORY=1MiB").url}
			put := restStep{
				method: "PUT", target: "/v1/values/big", headers: []string{textBody}, body: strings.Repeat("x", mebibyte),
			}
			res, body := c.send(t, put)
			if got := statusAndReason(res, body); got != "507 STORE_FULL" {
				t.Errorf("PUT = %s, want 507 STORE_FULL", got)
			}
			for _, w := range wires {
				got := w.call(t, c.base, "Set", apiKey, `{"key":"big","value":"`+put.body+`"}`).verdict()
				if got != "resource_exhausted STORE_FULL" {
					t.Errorf("%s: Set = %s, want resource_exhausted STORE_FULL", w.name, got)
				}
			}
			put.body = "small"
			if res, body := c.send(t, put); res.StatusCode != http.StatusCreated {
				t.Errorf("PUT of a value that fits = %d, want 201: %s", res.StatusCode, body)
			}
		})
	}
}
