package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/gateway"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

const (
	apiKey = "my-secret-key"
	token  = "service-token"
)

// arrangements are the ways to run the services: in one process, and in two with a hop between them.
var arrangements = []struct {
	name      string
	transport func(t *testing.T, engine store.Engine) connect.Transport
}{
	{"one process", func(_ *testing.T, engine store.Engine) connect.Transport {
		return rpc.InProcess(service(engine, nil))
	}},
	{"two processes", func(t *testing.T, engine store.Engine) connect.Transport {
		return dial(t, serveService(t, engine), token)
	}},
}

// serveService serves a kvservice that requires token, and returns its URL.
func serveService(t testing.TB, engine store.Engine) string {
	server := service(engine, auth.Single("gateway", token))
	return wiretest.ServeRPC(t, rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler()), server)
}

func service(engine store.Engine, keys *auth.Keys) *connect.Server {
	return rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Checks: admission.NewChecks(keys, nil), Ready: func(context.Context) bool { return true }, Log: silent,
	})
}

var silent = slog.New(slog.DiscardHandler)

// dial returns the part of a hop that only two processes need, to a service at url that requires token. [start] adds the
// rest.
func dial(t testing.TB, url, token string) connect.Transport {
	t.Helper()
	service, err := hop.HTTP(url, hop.HTTPConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.CloseIdleConnections)
	return hop.New(service, hop.Config{Library: true, Retry: true, Breaker: true, Batch: true, Credential: hop.Bearer(token)})
}

// start serves a gateway over transport, which is patient with a busy machine, and returns its URL.
func start(t *testing.T, transport connect.Transport, change ...func(*gateway.Config)) string {
	t.Helper()
	cfg := gateway.Config{Keys: auth.Single("default", apiKey), Timeout: time.Minute, State: server.NewState(), Log: silent}
	for _, c := range change {
		c(&cfg)
	}
	g := gateway.New(hop.NewClient(transport, hop.Config{Log: silent}), cfg)
	return wiretest.ServeRPC(t, g, g.RPC)
}

func newEngine(t testing.TB) store.Engine {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// answer is the response to a REST request.
type answer struct {
	status int
	header http.Header
	body   string
}

// field returns a string member of a JSON body, or "" if there is none.
func (a answer) field(name string) string {
	var fields map[string]any
	_ = json.Unmarshal([]byte(a.body), &fields)
	value, _ := fields[name].(string)
	return value
}

// ask sends a REST request with the API key. Header alternates names and values.
func ask(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	return askAs(t, method, url, body, append([]string{"X-Api-Key", apiKey}, header...)...)
}

func askAs(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer{res.StatusCode, res.Header, string(got)}
}
