package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/gateway"
	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/observe"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
)

// refusals are the reasons to reject a request, each for an idle server and for one at --max-concurrent. The first check
// that fails determines the response, whether or not a later one would fail too.
var refusals = []struct {
	name   string
	key    string // id of the key sent; empty: none
	before int    // how many requests were made with the key before
	full   bool   // whether the server is at --max-concurrent
	want   contract.Reason
	status int
	code   connect.Code
	failed bool // whether it counts as an authentication failure
}{
	{"no key", "", 0, false, contract.APIKeyInvalid, 401, connect.CodeUnauthenticated, true},
	{"no key at a full server", "", 0, true, contract.APIKeyInvalid, 401, connect.CodeUnauthenticated, true},
	{"a wrong key", "wrong", 0, false, contract.APIKeyInvalid, 401, connect.CodeUnauthenticated, true},
	{"a wrong key at a full server", "wrong", 0, true, contract.APIKeyInvalid, 401, connect.CodeUnauthenticated, true},
	{"too many wrong keys", "wrong", 10, false, contract.RateLimited, 429, connect.CodeResourceExhausted, true},
	{"too many wrong keys at a full server", "wrong", 10, true, contract.RateLimited, 429, connect.CodeResourceExhausted, true},
	{"a key over its rate", "slow", 1, false, contract.RateLimited, 429, connect.CodeResourceExhausted, false},
	{"a key over its rate at a full server", "slow", 1, true, contract.RateLimited, 429, connect.CodeResourceExhausted, false},
	{"a full server", "reader", 0, true, contract.Overloaded, 503, connect.CodeUnavailable, false},
	{"a key without the right", "outside", 0, false, contract.PermissionDenied, 403, connect.CodePermissionDenied, false},
	{"a key without the right at a full server", "outside", 0, true, contract.Overloaded, 503, connect.CodeUnavailable, false},
}

// way is a way to call a gateway: it reads the key a, and returns the reason of the error and the response.
type way struct {
	name  string
	get   func(t *testing.T, url string, header []string) (reason contract.Reason, answer string)
	count string // the counter of responses, with %s for the response
	log   string // the log line of a response, with %s for the response
}

// ways are REST and every RPC wire.
func ways() []way {
	all := []way{{
		name: "REST",
		get: func(t *testing.T, url string, header []string) (contract.Reason, string) {
			got := askAs(t, http.MethodGet, url+"/v1/values/a", "", header...)
			return contract.Reason(got.field("reason")), strconv.Itoa(got.status)
		},
		count: `http_server_request_duration_seconds_count\{[^}]*http_response_status_code="%s"[^}]*http_route="/v1/values/\{key\}"`,
		log:   "msg=request .*status=%s",
	}}
	for _, wire := range wiretest.Wires() {
		all = append(all, way{
			name: wire.Name,
			get: func(t *testing.T, url string, header []string) (contract.Reason, string) {
				_, err := wire.Dial(t, url, header...).Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
				return contract.ReasonOf(err), connect.CodeOf(err).String()
			},
			count: `rpc_server_call_duration_seconds_count\{rpc_method="keyvalue.v1.KeyValueService/Get",rpc_response_status_code="(?i:%s)"`,
			log:   "msg=call .*code=%s",
		})
	}
	return all
}

// TestEveryWayInRefusesTheSame tests every refusal over every way: the response, its log line and its counters must not
// depend on the way.
func TestEveryWayInRefusesTheSame(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		for _, refusal := range refusals {
			t.Run(way.name+"/"+refusal.name, func(t *testing.T) {
				t.Parallel()
				g := startMonitored(t)
				sent := 0
				for ; sent < refusal.before; sent++ {
					way.get(t, g.url, g.header(refusal.key))
				}
				if refusal.full {
					g.fill(t)
				}
				answered := strconv.Itoa(refusal.status)
				if way.name != "REST" {
					answered = refusal.code.String()
				}
				line := fmt.Sprintf(way.log, answered) + ".* reason=" + string(refusal.want) + " "
				count := fmt.Sprintf(way.count, answered)
				await(t, "the log lines and counts of earlier requests", func() bool {
					return g.log.count(fmt.Sprintf(way.log, `\S+`)) == sent && g.counter(fmt.Sprintf(way.count, `[^"]*`)) == float64(sent)
				})
				lines, counted, failures := g.log.count(line), g.counter(count), g.counter("kv_api_key_failures_total")
				var reason contract.Reason
				var answer string
				tries := 0.0
				for range 100 { // each second, one more wrong key gets API_KEY_INVALID
					tries++
					if reason, answer = way.get(t, g.url, g.header(refusal.key)); reason == refusal.want {
						break
					}
				}
				if reason != refusal.want || answer != answered {
					t.Errorf("the response is %s with reason %s, want %s with %s", answer, reason, answered, refusal.want)
				}
				await(t, "a log line "+line, func() bool { return g.log.count(line) == lines+1 })
				await(t, "a count of "+count, func() bool { return g.counter(count) == counted+1 })
				if got := g.counter("kv_api_key_failures_total") - failures; got != 0 != refusal.failed || got > tries {
					t.Errorf("%v authentication failures are counted of %v calls, want any: %v", got, tries, refusal.failed)
				}
			})
		}
	}
}

// monitored is a gateway that logs and measures all requests.
type monitored struct {
	url     string
	key     map[string]string // :: id → key
	log     *logBuffer
	metrics *observe.Metrics
	began   chan struct{}
}

// startMonitored starts a gateway in one process with its service, with bounds of one call at a time and one wrong key a second.
func startMonitored(t *testing.T) *monitored {
	ring := newKeyring(t)
	ring.add("reader", "", read)
	ring.add("slow", "", read, func(r *auth.Record) { r.RequestsPerSecond = 0.001 })
	ring.add("outside", "elsewhere/", read)
	ring.key["wrong"] = auth.Generate("reader")
	g := &monitored{key: ring.key, log: &logBuffer{}, metrics: observe.NewMetrics("test", "test"), began: make(chan struct{}, 1)}
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	keys, err := auth.New(auth.Config{Secret: apiKey, File: ring.path, FailuresPerSecond: 1, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	g.metrics.ForGateway()
	g.metrics.ForKeys(keys)
	limiter := admission.New(admission.Config{Calls: 1})
	engine := busyAt{busy{newEngine(t), g.began}, "busy"}
	g.url = start(t, rpc.InProcess(limitedService(engine, limiter)), func(cfg *gateway.Config) {
		cfg.Keys, cfg.Limiter, cfg.Log = keys, limiter, log
		cfg.Interceptors = []connect.ServerInterceptor{g.metrics.ServeCalls}
		cfg.Observer = observe.Observer{Log: log, Metrics: g.metrics}
	})
	return g
}

// header returns the header of a caller with the key of id, or without a key if id is empty.
func (g *monitored) header(id string) []string {
	if id == "" {
		return nil
	}
	return []string{"x-api-key", g.key[id]}
}

// busyAt is [busy], but only for one key.
type busyAt struct {
	busy
	key string
}

func (b busyAt) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	if op.Key == b.key {
		return b.busy.Do(ctx, op)
	}
	return b.Engine.Do(ctx, op)
}

// fill makes a call that runs until the test ends.
func (g *monitored) fill(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	kv := wiretest.Wires()[0].Dial(t, g.url, "x-api-key", g.key["reader"])
	go func() {
		defer close(done)
		_, _ = kv.Get(ctx, &keyvaluev1.GetRequest{Key: "busy"})
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-g.began
}

// counter returns the sum of the counters whose name and labels match pattern at their start.
func (g *monitored) counter(pattern string) (sum float64) {
	w := httptest.NewRecorder()
	g.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, found := range regexp.MustCompile(`(?m)^`+pattern+`.* (\S+)$`).FindAllStringSubmatch(w.Body.String(), -1) {
		n, _ := strconv.ParseFloat(found[1], 64)
		sum += n
	}
	return sum
}

// logBuffer is a log that can be read concurrently.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// count returns how many lines match pattern.
func (b *logBuffer) count(pattern string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(regexp.MustCompile("(?m)"+pattern).FindAllString(b.text.String(), -1))
}

// Every route calls the service, so its requests must count as calls of the same size as the procedure does.
func TestEveryRouteIsRefusedAtAFullServer(t *testing.T) {
	t.Parallel()
	g := startMonitored(t)
	g.fill(t)
	for _, route := range rest.Routes() {
		if route.Public() || strings.Contains(route.Path, ":watch") || strings.HasPrefix(route.Path, "/v1/stats") || route.Path == "/v1/caller" || route.Path == "/v1/tickets" {
			continue // watches have a bound of their own, and calls that do not use the store are exempt
		}
		path := strings.ReplaceAll(route.Path, "{key}", "a")
		got := askAs(t, route.Method, g.url+path, "not even JSON", g.header("reader")...)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" ||
			route.Method != http.MethodHead && got.field("reason") != string(contract.Overloaded) {
			t.Errorf("%s %s = %d %s, want 503 with reason OVERLOADED and Retry-After: 1", route.Method, path, got.status, got.body)
		}
	}
}

// Rejecting a request must not cost reading its body, which can be as long as the longest value.
func TestARefusalReadsNoBody(t *testing.T) {
	t.Parallel()
	limiter := admission.New(admission.Config{Calls: 1})
	if err := limiter.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := hop.NewClient(rpc.InProcess(limitedService(newEngine(t), limiter)), hop.Config{Log: silent})
	handler := gateway.New(client, gateway.Config{
		Keys: auth.Single("default", apiKey), State: server.NewState(), Log: silent, Limiter: limiter,
	})
	for _, request := range []struct{ method, path, content string }{
		{http.MethodPut, "/v1/values/a", "text/plain"},
		{http.MethodPost, "/v1/values:batch", "application/json"},
		{http.MethodPost, "/keyvalue.v1.KeyValueService/Set", "application/json"},
		{http.MethodPost, "/keyvalue.v1.KeyValueService/Set", "application/proto"},
		{http.MethodPost, "/keyvalue.v1.KeyValueService/Batch", "application/grpc-web+proto"},
		{http.MethodPost, "/keyvalue.v1.KeyValueService/Batch", "application/grpc+proto"},
	} {
		for _, key := range []string{"wrong", apiKey} {
			r := httptest.NewRequest(request.method, request.path, unreadable{t})
			r.Header = http.Header{"Content-Type": {request.content}, "X-Api-Key": {key}, "Te": {"trailers"}}
			r.ProtoMajor, r.ProtoMinor = 2, 0
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
}

// unreadable is a body that must not be read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Errorf("the body of a rejected request was read")
	return 0, errors.New("unreadable")
}
