package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/server"
	"key-value/internal/testkit/haproxy"
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
  bind %s
  default_backend servers
backend servers
  server kv %s %s
`

// startHAProxy starts HAProxy in front of s and returns its URL.
func startHAProxy(t *testing.T, s *fixture) string {
	t.Helper()
	addr, options := strings.TrimPrefix(s.url, "http://"), "proto h2"
	if secure, ok := strings.CutPrefix(s.url, "https://"); ok {
		addr, options = secure, "ssl verify none alpn h2"
	}
	return "http://" + haproxy.Start(t, fmt.Sprintf(haproxyConfig, haproxy.Listen, addr, options)).Addr
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
					for range 100 { // HAProxy may send gRPC on the connection that mixed until it has read its GOAWAY
						if status, err := ask(t.Context(), client(t), http.MethodGet, url); status != http.StatusOK {
							t.Errorf("GET after the one that shows the mix = %d, %v; want 200", status, err)
						}
						if callWho(t, grpc) == "net/http" {
							break
						}
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
