package observe

import (
	"net/http"
	"strconv"
	"time"
)

var requestLabels = []string{"http_request_method", "http_route", "http_response_status_code", "url_scheme"}

// request is what the REST requests of one time series have in common.
type request struct {
	method string
	route  string // the path with {key} in place of a key; empty: there is none
	status int
	scheme string
}

func (r request) labels() []string {
	return []string{r.method, r.route, strconv.Itoa(r.status), r.scheme}
}

// scheme returns how a request came.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// Request measures a REST request that was answered.
func (m *Metrics) Request(r *http.Request, route string, status int, took time.Duration) {
	m.requests.observe(request{method(r.Method), route, status, scheme(r)}, took)
}

// method returns the method of a request, unless the caller made it up.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return name
	}
	return other
}
