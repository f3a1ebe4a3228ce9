package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"key-value/internal/testkit/etcdcluster"
	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/rediscluster"
	"key-value/internal/testkit/tlstest"
)

// kv is the path of the binary under test.
var kv string

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

// runTests builds kv where every user may run it, and runs the tests.
func runTests(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "kv-kubernetes-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	if kv, err = proc.BuildKV(context.Background(), dir); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// outside is what a manifest expects to find in its cluster.
type outside struct {
	secrets  map[string]files  // by name
	services map[string]string // :: host:port → address
}

// stores start what the values files name as their stores. The others have none.
var stores = map[string]func(t *testing.T, o outside){
	"redis": func(t *testing.T, o outside) {
		nodes := rediscluster.StartTest(t, rediscluster.Config{Password: "the password of Redis"})
		o.services["redis:6379"] = strings.TrimPrefix(nodes.URL(), "redis://")
		o.secrets["redis"] = files{"password": "the password of Redis"}
	},
	"etcd": func(t *testing.T, o outside) {
		authority := tlstest.NewAuthority(t)
		cert, key := authority.Files(t, tlstest.Leaf{})
		members := etcdcluster.StartTest(t, etcdcluster.Config{TLS: &etcdcluster.TLS{Cert: cert, Key: key, CA: authority.File(t)}})
		o.services["etcd-client:2379"] = strings.TrimPrefix(members.URL(), "etcds://")
		o.secrets["etcd-ca"] = files{"ca.crt": inPEM("CERTIFICATE", authority.Raw())}
	},
}

// TestTheRenderedPodsRun runs the pods of each manifest as processes.
func TestTheRenderedPodsRun(t *testing.T) {
	eachValues(t, func(t *testing.T, values string) {
		t.Parallel()
		s := newScenario(t, values)
		service, gateway := s.start(t, "kvservice"), s.start(t, "gateway")
		s.put(t, "hello", "world")
		s.wants(t, "hello", "world")
		service.examine(t)
		gateway.examine(t)
		if len(s.manifest.of("Certificate")) > 0 {
			s.renewsCertificates(t, service, gateway)
		}

		service.stop(t)
		if err := gateway.probe(t.Context(), gateway.container.Liveness); err != nil {
			t.Errorf("without a kvservice the gateway is restarted: %v", err)
		}
		if err := gateway.probe(t.Context(), gateway.container.Readiness); err == nil {
			t.Error("without a kvservice the gateway is ready")
		}
		s.start(t, "kvservice")
		if err := gateway.WaitReady(t.Context(), func(ctx context.Context) error { return gateway.probe(ctx, gateway.container.Readiness) }); err != nil {
			t.Fatal(err)
		}
		if workload(t, s.manifest, "kvservice").Spec.Template.Spec.Containers[0].flag("data-dir") == "" && stores[nameOf(values)] == nil {
			s.wants(t, "hello", "")
		} else {
			s.wants(t, "hello", "world")
		}
		s.drains(t, gateway)
	})
}

// scenario is a manifest that runs, and a caller of its gateway.
type scenario struct {
	*cluster
	key    string // API key
	client *http.Client
	url    string
}

func newScenario(t *testing.T, values string) *scenario {
	t.Helper()
	key, keys := createKey(t)
	o := outside{
		secrets:  map[string]files{"key-value-api-keys": {"keys.json": keys}, "key-value-service-token": {"token": "a token between them"}},
		services: map[string]string{},
	}
	if start := stores[nameOf(values)]; start != nil {
		start(t, o)
	}
	s := &scenario{key: key, client: &http.Client{Transport: &http.Transport{}}}
	m := manifestOf(t, values)
	public := tlstest.NewAuthority(t)
	o.secrets["key-value-public-tls"] = secretOf(t, public, tlstest.Leaf{})
	s.cluster = newCluster(t, m, o.secrets, o.services)
	gateway, _ := m.find("Service", release+"-gateway")
	s.url = "http://" + s.services[fmt.Sprintf("%s-gateway:%d", release, gateway.Spec.Ports[0].Port)]
	if workload(t, m, "gateway").Spec.Template.Spec.Containers[0].flag("tls-cert") != "" {
		s.url = strings.Replace(s.url, "http", "https", 1)
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: public.Pool()}}
	}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// createKey returns an API key and the text of its keys file, as kv keys writes it.
func createKey(t *testing.T) (key, keys string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	key, err := proc.KV(kv, nil, "keys", "create", "--file", file, "--id", "admin").Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(key), string(text)
}

// call calls the gateway, as its Service does, and returns the status and the body.
func (s *scenario) call(t *testing.T, method, key string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+"/v1/values/"+key, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", s.key)
	req.Header.Set("Accept", "text/plain")
	req.Header.Set("Content-Type", "text/plain")
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (s *scenario) put(t *testing.T, key, value string) {
	t.Helper()
	if status, text := s.call(t, http.MethodPut, key, strings.NewReader(value)); status != http.StatusCreated {
		t.Fatalf("PUT %s = %d %s, want 201", key, status, text)
	}
}

// wants checks the value of a key. "" stands for none.
func (s *scenario) wants(t *testing.T, key, value string) {
	t.Helper()
	switch status, text := s.call(t, http.MethodGet, key, nil); {
	case value == "" && status != http.StatusNotFound:
		t.Errorf("GET %s = %d %s, want 404", key, status, text)
	case value != "" && text != value:
		t.Errorf("GET %s = %d %q, want %q", key, status, text, value)
	}
}

// drains stops the gateway while it reads a request. On the admin port it says that it is stopping, and still works, until
// the request is answered. It exits by itself.
func (s *scenario) drains(t *testing.T, gateway *running) {
	t.Helper()
	body, rest := io.Pipe()
	asked := make(chan struct{})
	answered := make(chan error, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/v1/values/last", &firstRead{Reader: io.MultiReader(strings.NewReader("begin"), body), began: asked})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", s.key)
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Expect", "100-continue") // the body is read when the gateway reads it
	go func() {
		res, err := s.client.Do(req)
		if err == nil {
			err = res.Body.Close()
			if res.StatusCode != http.StatusCreated {
				err = fmt.Errorf("PUT = %d, want 201", res.StatusCode)
			}
		}
		answered <- err
	}()
	<-asked
	if err := gateway.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopping := func(ctx context.Context) error {
		if err := gateway.probe(ctx, gateway.container.Readiness); err == nil {
			return fmt.Errorf("a gateway that is stopping is ready")
		}
		return nil
	}
	if err := gateway.WaitReady(t.Context(), stopping); err != nil {
		t.Error(err)
	}
	if err := gateway.probe(t.Context(), gateway.container.Liveness); err != nil {
		t.Errorf("a gateway that is stopping is not live: %v", err)
	}
	if _, err := io.WriteString(rest, "end"); err != nil {
		t.Error(err)
	}
	rest.Close()
	if err := <-answered; err != nil {
		t.Errorf("the call in progress: %v", err)
	}
	if <-gateway.Exited(); gateway.ExitCode() != 0 {
		t.Errorf("the gateway ended with %d, want 0", gateway.ExitCode())
	}
}

// firstRead closes began when it is read for the first time.
type firstRead struct {
	io.Reader
	began chan struct{} // nil once it is closed
}

func (r *firstRead) Read(p []byte) (int, error) {
	if r.began != nil {
		close(r.began)
		r.began = nil
	}
	return r.Reader.Read(p)
}

// renewsCertificates replaces the certificates as cert-manager does, and waits until new connections see the new ones. A
// client without a certificate is rejected.
func (s *scenario) renewsCertificates(t *testing.T, service, gateway *running) {
	t.Helper()
	address := s.services[release+"-kvservice:50051"]
	before := s.presented(t, address)
	for _, r := range []*running{service, gateway} {
		s.renew(t, r.component)
		if _, err := r.WaitFor(t.Context(), r.Log, `"msg":"reloaded files"`); err != nil {
			t.Fatal(err)
		}
	}
	if after := s.presented(t, address); bytes.Equal(before, after) {
		t.Error("the kvservice presents the certificate that was replaced")
	}
	s.wants(t, "hello", "world")
	conn, err := tls.Dial("tcp", address, s.trust())
	if err == nil {
		_, err = conn.Read(make([]byte, 1)) // with TLS 1.3 the client learns it here
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("a client without a certificate gets %v, want that one is required", err)
	}
}

// presented returns the certificate that the kvservice presents to a gateway.
func (s *scenario) presented(t *testing.T, address string) []byte {
	t.Helper()
	secret := s.secrets[release+"-gateway-tls"]
	pair, err := tls.X509KeyPair([]byte(secret["tls.crt"]), []byte(secret["tls.key"]))
	if err != nil {
		t.Fatal(err)
	}
	config := s.trust()
	config.Certificates = []tls.Certificate{pair}
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Raw
}

// trust returns the configuration of a client of the kvservice without a certificate.
func (s *scenario) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(s.secrets[release+"-gateway-tls"]["ca.crt"]))
	return &tls.Config{RootCAs: pool, ServerName: release + "-kvservice"}
}
