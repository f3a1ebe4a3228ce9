package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"key-value/client"
	"key-value/kvservice"
)

// serveTLS serves a store over TLS, and records the protocols of its requests.
func serveTLS(t *testing.T, configure func(*httptest.Server)) (server *httptest.Server, protocols *sync.Map) {
	protocols = new(sync.Map)
	service := handle(kvservice.New(newEngine(t), kvservice.Config{}), nil)
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols.Store(r.Proto, true)
		service.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail on purpose
	configure(server)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, protocols
}

// trusting returns a configuration that trusts server.
func trusting(server *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return &tls.Config{RootCAs: pool}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		http2 bool
		want  string
	}{
		"HTTP/2 where both sides can":   {true, "HTTP/2.0"},
		"HTTP/1.1 where the server can": {false, "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			server, protocols := serveTLS(t, func(s *httptest.Server) { s.EnableHTTP2 = test.http2 })
			kv := dial(t, server.URL, client.WithTLS(trusting(server)))
			r := watch(t, kv.Watch(bounded(t), ""))
			r.want(t, "sync")
			mustSet(t, kv, "a", "1")
			wantValue(t, kv, "a", "1")
			r.want(t, "put a=1")
			protocols.Range(func(protocol, _ any) bool {
				if protocol != test.want {
					t.Errorf("a call was made over %v, want %v", protocol, test.want)
				}
				return true
			})
		})
	}
	t.Run("with the caller's HTTP client", func(t *testing.T) {
		server, _ := serveTLS(t, func(s *httptest.Server) { s.EnableHTTP2 = true })
		mustSet(t, dial(t, server.URL, client.WithHTTPClient(server.Client())), "a", "1")
	})
}

func TestClientsPresentTheirCertificate(t *testing.T) {
	t.Parallel()
	server, _ := serveTLS(t, func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	})
	config := trusting(server)
	_, err := dial(t, server.URL, client.WithTLS(config)).Get(t.Context(), "a")
	wantError(t, "Get without a certificate", err, client.ErrUnavailable)

	config.Certificates = server.TLS.Certificates
	mustSet(t, dial(t, server.URL, client.WithTLS(config)), "a", "1")
}

func TestAnUntrustedCertificateIsRejected(t *testing.T) {
	t.Parallel()
	server, protocols := serveTLS(t, func(*httptest.Server) {})
	_, err := dial(t, server.URL, client.WithAPIKey("secret")).Get(t.Context(), "a")
	if e := wantError(t, "Get", err, client.ErrUnavailable); !strings.Contains(e.Error(), "certificate") {
		t.Errorf("Get = %v, want it to mention the certificate", err)
	}
	protocols.Range(func(protocol, _ any) bool {
		t.Errorf("a call was made over %v, want none", protocol)
		return true
	})
}
