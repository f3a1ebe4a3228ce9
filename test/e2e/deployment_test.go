package e2e_test

import (
	"net/http"
	"testing"
)

const (
	apiKey       = "my-secret-key"
	serviceToken = "a-service-token"
)

// deployment is a running store, in one process or two.
type deployment struct {
	url     string   // of the gateway
	gateway *process // the process that callers reach
	service *process // the process that holds the data; nil if that is the gateway itself
}

// deployments are the ways to run the store. Callers must not be able to tell them apart.
var deployments = []struct {
	name  string
	start func(t *testing.T, env ...string) deployment // env is for the process that holds the data
}{
	{"one process", oneProcess},
	{"two processes", twoProcesses},
}

func oneProcess(t *testing.T, env ...string) deployment {
	t.Helper()
	server := start(t, append(env, "KV_API_KEY="+apiKey), "serve", "--listen", "127.0.0.1:0")
	return ready(t, deployment{gateway: server})
}

func twoProcesses(t *testing.T, env ...string) deployment {
	t.Helper()
	service := startService(t, "127.0.0.1:0", env...)
	return ready(t, deployment{gateway: startGateway(t, service.Addr, serviceToken), service: service})
}

func startService(t *testing.T, addr string, env ...string) *process {
	t.Helper()
	return start(t, append(env, "KV_SERVICE_TOKEN="+serviceToken), "kvservice", "--listen", addr)
}

func startGateway(t *testing.T, service, token string) *process {
	t.Helper()
	env := []string{"KV_API_KEY=" + apiKey, "KV_SERVICE_TOKEN=" + token}
	return start(t, env, "gateway", "--listen", "127.0.0.1:0", "--service", "http://"+service)
}

// ready completes d. A server that listens is ready, so it does not wait.
func ready(t *testing.T, d deployment) deployment {
	t.Helper()
	d.url = "http://" + d.gateway.Addr
	if got := status(t, d.url+"/readyz"); got != http.StatusOK {
		t.Fatalf("GET /readyz right after the start = %d, want 200", got)
	}
	return d
}

// status returns the status of a GET.
func status(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
