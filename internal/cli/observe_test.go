package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
)

// observed is a running server command with an admin address.
type observed struct {
	*process
	admin string // its URL
}

func startObserved(t *testing.T, env map[string]string, args ...string) observed {
	t.Helper()
	p := startKV(t, env, append(args, "--admin-listen", "127.0.0.1:0")...)
	return observed{p, "http://" + p.log.find(t.Context(), `msg="admin address" addr=(\S+)`)}
}

// startObservedPair starts a gateway and its kvservice.
func startObservedPair(t *testing.T) (gateway, service observed) {
	service = startObserved(t, map[string]string{"KV_SERVICE_TOKEN": "token"}, "kvservice", "--data-dir", t.TempDir())
	gateway = startObserved(t, map[string]string{
		"KV_API_KEY": "secret", "KV_SERVICE_TOKEN": "token", "KV_SERVICE": service.url,
	}, "gateway")
	return gateway, service
}

// fetch returns the status and the body of a GET.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "secret")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// has checks that the scraped metrics contain all lines.
func has(t *testing.T, scraped string, lines ...string) {
	t.Helper()
	got := strings.Split(scraped, "\n")
	for _, line := range lines {
		if !slices.Contains(got, line) {
			t.Errorf("missing metric %s in\n%s", line, ours(got))
		}
	}
}

// ours drops the lines about the Go runtime and the process.
func ours(lines []string) string {
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "#") || strings.HasPrefix(line, "go_") || strings.HasPrefix(line, "process_") ||
			strings.Contains(line, "_bucket{")
	}), "\n")
}

// use makes calls that metrics count, with keys that metrics must not contain.
func use(t *testing.T, url string) {
	t.Helper()
	env := map[string]string{"KV_URL": url, "KV_API_KEY": "secret"}
	kv(t, env, "", "set", "private/1", "x")
	kv(t, env, "", "get", "private/1")
	kv(t, env, "", "get", "private/2")
	for _, path := range []string{"/v1/values/private/1", "/v1/values/private/2", "/v1/private", "/health"} {
		fetch(t, url+path)
	}
	var req, res keyvaluev1.GetRequest
	if err := wiretest.GRPC(t, url).Invoke(t.Context(), "/keyvalue.v1.KeyValueService/private", &req, &res); err == nil {
		t.Error("calling an unknown method succeeded")
	}
	batch(t, url)
}

// batch sends a batch of two operations over REST.
func batch(t *testing.T, url string) {
	t.Helper()
	body := `{"operations":[{"get":{"key":"private/1"}},{"get":{"key":"private/2"}}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/values:batch", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "secret")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("batch: %s", res.Status)
	}
}

const (
	ofRPC = `{rpc_method="keyvalue.v1.KeyValueService/`
	ofOK  = `",rpc_response_status_code="OK",rpc_system_name="connectrpc"} `
)

// atTheGateway are metrics of the calls that use makes.
var atTheGateway = []string{
	`rpc_server_call_duration_seconds_count{rpc_method="_OTHER",rpc_response_status_code="UNAUTHENTICATED",rpc_system_name="grpc"} 1`,
	`rpc_server_call_duration_seconds_count` + ofRPC + `Set` + ofOK + `1`,
	`rpc_server_call_duration_seconds_count` + ofRPC + `Get` + ofOK + `1`,
	`rpc_server_call_duration_seconds_count` + ofRPC + `Get",rpc_response_status_code="NOT_FOUND",rpc_system_name="connectrpc"} 1`,
	`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/v1/values/{key}",url_scheme="http"} 1`,
	`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="/v1/values/{key}",url_scheme="http"} 1`,
	`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="",url_scheme="http"} 1`,
}

// inTheStore are metrics of the store after use, whose set counts as a miss.
var inTheStore = []string{
	`kv_keys 1`, `kv_store_up 1`, `kv_hits_total 3`, `kv_misses_total 3`, `kv_expirations_total 0`, `kv_evictions_total 0`,
	`kv_watchers 0`, `kv_batch_operations_count 1`, `kv_batch_operations_sum 2`,
}

// inFlight are metrics of a server that is idle, with --max-in-flight 16MiB.
var inFlight = []string{`kv_in_flight_bytes 0`, `kv_in_flight_limit_bytes 1.6777216e+07`}

func TestMetricsOfOneProcess(t *testing.T) {
	t.Parallel()
	server := startObserved(t, key, "serve", "--max-in-flight", "16MiB")
	use(t, server.url)
	_, scraped := fetch(t, server.admin+"/metrics")
	has(t, scraped, inFlight...)
	has(t, scraped, atTheGateway...)
	has(t, scraped, inTheStore...)
	if strings.Contains(scraped, "private") {
		t.Errorf("the metrics contain input of a caller:\n%s", ours(strings.Split(scraped, "\n")))
	}
}

func TestMetricsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	gateway, service := startObservedPair(t)
	use(t, gateway.url)
	_, scraped := fetch(t, gateway.admin+"/metrics")
	has(t, scraped, atTheGateway...)
	has(t, scraped,
		`rpc_client_call_duration_seconds_count`+ofRPC+`Batch`+ofOK+`1`,
		`rpc_client_call_duration_seconds_count`+ofRPC+`Get`+ofOK+`2`,
		`kv_hop_batch_operations_sum 2`)
	_, inside := fetch(t, service.admin+"/metrics")
	has(t, inside, inTheStore...)
	has(t, inside, `rpc_server_call_duration_seconds_count`+ofRPC+`Batch`+ofOK+`1`)
	for _, text := range []string{scraped, inside} {
		if strings.Contains(text, "private") {
			t.Errorf("the metrics contain input of a caller:\n%s", ours(strings.Split(text, "\n")))
		}
	}
}

func TestThePublicPortServesNoMetricsOrProfiles(t *testing.T) {
	t.Parallel()
	server := startObserved(t, key, "serve")
	_, service := startObservedPair(t)
	for _, url := range []string{server.url, service.url} {
		for _, path := range []string{"/metrics", "/debug/keys", "/debug/pprof/", "/debug/pprof/heap"} {
			if status, body := fetch(t, url+path); status != http.StatusNotFound {
				t.Errorf("GET %s: %d, %s", path, status, body)
			}
		}
	}
}

// The admin address tells load balancers whether to send traffic, even if they cannot connect to the public port.
func TestTheAdminAddressServesProbes(t *testing.T) {
	t.Parallel()
	gateway, service := startObservedPair(t)
	for _, url := range []string{gateway.admin, service.admin} {
		for _, path := range []string{"/health", "/livez", "/readyz"} {
			if status, body := fetch(t, url+path); status != http.StatusOK {
				t.Errorf("GET %s: %d, %s", path, status, body)
			}
		}
	}
	service.stop()
	<-service.code
	if status, body := fetch(t, gateway.admin+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "not ready") {
		t.Errorf("GET /readyz without a service: %d, %s", status, body)
	}
	if status, body := fetch(t, gateway.admin+"/livez"); status != http.StatusOK {
		t.Errorf("GET /livez without a service: %d, %s", status, body)
	}
}

// Operators can examine a server that is slow to stop.
func TestTheAdminAddressIsServedWhileTheServerStops(t *testing.T) {
	t.Parallel()
	server := startObserved(t, key, "serve")
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := "PUT /v1/values/slow HTTP/1.1\r\nHost: test\r\nX-Api-Key: secret\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
	if _, err := io.WriteString(conn, begin); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the handler is waiting for the body
		t.Fatal(err)
	}
	server.stop()
	server.log.find(t.Context(), `(msg=stopping)`)
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/metrics": {http.StatusOK, "kv_keys 0"},
		"/livez":   {http.StatusOK, `"ok"`},
		"/readyz":  {http.StatusServiceUnavailable, "The server is stopping."},
	} {
		if status, body := fetch(t, server.admin+path); status != want.status || !strings.Contains(body, want.body) {
			t.Errorf("GET %s while stopping: %d, %s; want %d, %s", path, status, body, want.status, want.body)
		}
	}
	if _, err := io.WriteString(conn, "xx"); err != nil {
		t.Fatal(err)
	}
	if code := <-server.code; code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	var closed net.Dialer
	if c, err := closed.DialContext(context.Background(), "tcp", strings.TrimPrefix(server.admin, "http://")); err == nil {
		c.Close()
		t.Error("the admin address still accepts connections after the server has stopped")
	}
}

// The logs of both services have the id of a request.
func TestBothServicesLogTheRequestID(t *testing.T) {
	t.Parallel()
	service := startKV(t, map[string]string{"KV_SERVICE_TOKEN": "token", "KV_LOG_LEVEL": "debug"}, "kvservice")
	gateway := startKV(t, map[string]string{
		"KV_API_KEY": "secret", "KV_SERVICE_TOKEN": "token", "KV_SERVICE": service.url, "KV_LOG_LEVEL": "debug", "KV_LOG_FORMAT": "text",
	}, "gateway")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.url+"/v1/values/private", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "secret")
	req.Header.Set("X-Request-Id", "followed-1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get("X-Request-Id"); got != "followed-1" {
		t.Errorf("the response has the request id %q", got)
	}
	for _, log := range []*lines{gateway.log, service.log} {
		if log.find(t.Context(), `level=DEBUG msg=(\w+) .*request=followed-1`); strings.Contains(log.String(), "private") {
			t.Errorf("the log contains a key: %s", log.String())
		}
	}
}

// What was rejected is counted with the limit that did so, and each request with the lane that served it.
func TestMetricsOfLimitsAndLanes(t *testing.T) {
	t.Parallel()
	server := startObserved(t, key, "serve", "--max-watches", "1")
	watch, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+"/v1/values:watch?prefix=a", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	watch.Header.Set("X-Api-Key", "secret")
	client := wiretest.HTTPClient(t)
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		res, err := client.Do(watch)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Fatalf("a watch: %s, want %d", res.Status, want)
		}
	}
	fetch(t, server.url+"/v1/values/a")
	var req, res keyvaluev1.GetRequest
	if err := wiretest.GRPC(t, server.url).Invoke(t.Context(), getPath, &req, &res); err == nil {
		t.Error("a call without an API key succeeded")
	}
	_, scraped := fetch(t, server.admin+"/metrics")
	has(t, scraped, `kv_limit_used{limit="watches"} 1`, `kv_limit_max{limit="watches"} 1`, `kv_limit_rejections_total{limit="watches"} 1`,
		`kv_limit_rejections_total{limit="calls"} 0`, `kv_limit_used{limit="connections"} 3`, `kv_limit_rejections_total{limit="connections"} 0`,
		`kv_limit_used{limit="queue"} 0`, `kv_limit_used{limit="memory"} 0`,
		`kv_lane_requests_total{lane="http"} 2`, `kv_lane_requests_total{lane="plain"} 1`, `kv_lane_requests_total{lane="grpc"} 1`)
}
