package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// haproxyConfig makes HAProxy send all requests to one server by HTTP/2, on as few connections as possible, without a
// header that reveals a proxy. One thread shares one connection among all clients, which several do only sometimes.
const haproxyConfig = `
global
  nbthread 1
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend clients
  bind fd@3
  default_backend servers
backend servers
  server kv %s %s
`

// startHAProxy starts HAProxy in front of s and returns its URL. Where it is not installed the test is skipped, or
// fails if KV_REQUIRE_HAPROXY is 1.
func startHAProxy(t *testing.T, s *fixture) string {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		if os.Getenv("KV_REQUIRE_HAPROXY") == "1" {
			t.Fatal("haproxy is not installed: apt-get install haproxy")
		}
		t.Skip("haproxy is not installed: apt-get install haproxy")
	}
	addr, options := strings.TrimPrefix(s.url, "http://"), "proto h2"
	if secure, ok := strings.CutPrefix(s.url, "https://"); ok {
		addr, options = secure, "ssl verify none alpn h2"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, haproxyConfig, addr, options), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	haproxy := exec.Command(path, "-db", "-f", config)
	haproxy.ExtraFiles, haproxy.Stdout, haproxy.Stderr = []*os.File{file}, &log, &log
	if err := haproxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = haproxy.Process.Kill()
		_ = haproxy.Wait()
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", log.String())
		}
	})
	return "http://" + listener.Addr().String()
}

// HAProxy sends gRPC and REST on the same connections. Only the one request that first comes after gRPC may fail.
func TestHAProxyMayMixRequests(t *testing.T) {
	t.Parallel()
	for scheme, config := range map[string]*tls.Config{"plain": nil, "TLS": wiretest.ServerTLS(t)} {
		for protocol, client := range map[string]func(testing.TB) *http.Client{"HTTP/1.1": http1, "HTTP/2": wiretest.HTTPClient} {
			for first, want := range map[string]string{"gRPC": "grpc-go", "REST": "net/http"} {
				t.Run(fmt.Sprintf("%s, %s, %s first", scheme, protocol, first), func(t *testing.T) {
					t.Parallel()
					s := start(t, server.Config{TLS: config, Drain: time.Minute})
					url := startHAProxy(t, s)
					grpc := connecthttp.NewTransport(wiretest.HTTPClient(t), url, connecthttp.WithGRPC())
					if first == "REST" {
						if status, err := ask(t.Context(), client(t), http.MethodGet, url); status != http.StatusOK {
							t.Errorf("GET before gRPC = %d, %v; want 200", status, err)
						}
					}
					if got := callWho(t, grpc); got != want {
						t.Errorf("gRPC was served by %s, want %s", got, want)
					}
					status, err := ask(t.Context(), client(t), http.MethodGet, url)
					t.Logf("the request that shows the mix = %d, %v", status, err)
					if first == "REST" && status != http.StatusOK {
						t.Errorf("GET after gRPC on a connection of net/http = %d, %v; want 200", status, err)
					}
					var callers sync.WaitGroup
					for range 4 {
						rest := client(t)
						callers.Go(func() {
							for range 10 {
								if got := callWho(t, grpc); got != "net/http" {
									t.Errorf("gRPC was served by %s, want net/http", got)
								}
								for _, method := range []string{http.MethodGet, http.MethodPut} {
									if status, err := ask(t.Context(), rest, method, url); status != http.StatusOK {
										t.Errorf("%s = %d, %v; want 200", method, status, err)
									}
								}
							}
						})
					}
					callers.Wait()
				})
			}
		}
	}
}

// ask sends a request and returns the status of its response.
func ask(ctx context.Context, client *http.Client, method, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("x"))
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}
