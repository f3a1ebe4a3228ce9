package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"key-value/gateway/console"
)

func TestTheConsoleIsPublicAndHidesNoRoute(t *testing.T) {
	t.Parallel()
	url := start(t, arrangements[0].transport(t, newEngine(t)))
	for _, path := range console.Paths() {
		if got := askAs(t, http.MethodGet, url+path, ""); got.status != http.StatusOK || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s without a key = %d %v, want 200 with nosniff", path, got.status, got.header)
		}
	}
	for _, path := range []string{"/console", "/console/nope.js", "/index.html", "/nope"} {
		got := askAs(t, http.MethodGet, url+path, "")
		if got.status != http.StatusNotFound || !strings.Contains(got.body, "ROUTE_NOT_FOUND") {
			t.Errorf("GET %s = %d %s, want 404 as on every route", path, got.status, got.body)
		}
	}
	if got := askAs(t, http.MethodPost, url+"/", ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("POST / = %d, want 405", got.status)
	}
}
