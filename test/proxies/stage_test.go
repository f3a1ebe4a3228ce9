// Package proxies_test runs the configurations of docs/guides/proxy.md: real proxies in front of a real store, with every
// protocol.
package proxies_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/wiretest"
)

const (
	page   = "../../docs/guides/proxy.md"
	apiKey = "my-secret-key"
	// patience is how long anything may take. What a proxy holds back does not arrive within it.
	patience = 50 * time.Second
)

// program is a proxy whose configuration is on the page.
type program struct {
	name     string
	language string // of the block with its configuration
	// addresses are those in the configuration, and its paths, and what replaces them: {listen}, {store}, {admin} or {dir}.
	addresses map[string]string
	// main is a configuration that includes that of the page, which is in {file}. Empty: there is none.
	main string
	args []string // {file} is the configuration
}

var programs = []program{
	{
		name: "nginx", language: "nginx",
		addresses: map[string]string{"listen 443 ssl": "listen {listen} ssl", "127.0.0.1:8888": "{store}", "/var/log/nginx": "{dir}"},
		main: `daemon off;
user root;
pid {dir}/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    include {file};
}
`,
		args: []string{"-e", "stderr", "-p", "{dir}", "-c", "{file}"},
	},
	{
		name: "haproxy", language: "haproxy",
		addresses: map[string]string{"bind :443": "bind {listen}", "127.0.0.1:8888": "{store}"},
		args:      []string{"-db", "-f", "{file}"},
	},
	{
		name: "caddy", language: "caddyfile",
		addresses: map[string]string{"kv.example.com {": "https://{listen} {", "127.0.0.1:8888": "{store}", "localhost:2019": "{admin}", "/var/log/caddy": "{dir}"},
		args:      []string{"run", "--adapter", "caddyfile", "--config", "{file}"},
	},
}

// block returns the text of the first block of the page in a language.
func block(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```"+language+"\n")
	block, _, ended := strings.Cut(rest, "\n```\n")
	if !found || !ended {
		t.Fatalf("%s has no block in %s", page, language)
	}
	return block + "\n"
}

// stage is a proxy in front of a store.
type stage struct {
	url   string // of the proxy
	store *proc.Process
	proxy *proc.Process
	dir   string // where the proxy runs
}

// direct returns the URL of the store.
func (s *stage) direct() string { return "http://" + s.store.Addr }

// behindEach runs test behind each proxy that is installed. Args are those of kv serve.
func behindEach(t *testing.T, args []string, test func(*testing.T, *stage)) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) { test(t, p.start(t, block(t, p.language), args...)) })
	}
}

// start runs the proxy with config, which is that of the page, in front of a store.
func (p program) start(t *testing.T, config string, args ...string) *stage {
	t.Helper()
	return p.serve(t, "https://", config, args...)
}

// startPlain runs the proxy with config, which has no TLS, in front of a store.
func (p program) startPlain(t *testing.T, config string) *stage {
	t.Helper()
	return p.serve(t, "http://", config)
}

func (p program) serve(t *testing.T, scheme, config string, args ...string) *stage {
	t.Helper()
	p.require(t)
	var group proc.Group
	t.Cleanup(group.Kill)
	store, err := group.Serve(t.Context(), proc.KV(kv, []string{"KV_API_KEY=" + apiKey},
		append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "debug"}, args...)...))
	if err != nil {
		t.Fatal(err)
	}
	for was, becomes := range p.addresses {
		if !strings.Contains(config, was) {
			t.Fatalf("the configuration of %s has no %q", p.name, was)
		}
		config = strings.ReplaceAll(config, was, becomes)
	}
	dir := t.TempDir()
	proxy, err := group.ServeAt(t.Context(), func(addr string) (proc.Command, error) {
		return p.command(t, dir, strings.NewReplacer(
			"{listen}", addr, "{store}", store.Addr, "{admin}", proc.FreeAddr(), "{dir}", dir,
		).Replace(config))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s says:\n%s%s", p.name, proxy.Out, proxy.Log)
		}
	})
	s := &stage{scheme + proxy.Addr, store, proxy, dir}
	s.await(t)
	return s
}

// require skips the test if the program is not installed, or fails it if KV_REQUIRE_PROXIES is 1.
func (p program) require(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(p.name); err != nil {
		if os.Getenv("KV_REQUIRE_PROXIES") == "1" {
			t.Fatalf("%v: apt-get install nginx-light haproxy caddy", err)
		}
		fmt.Printf("\nNOT TESTED: %s, because %v: apt-get install nginx-light haproxy caddy\n\n", t.Name(), err)
		t.SkipNow()
	}
}

// command writes the files of the proxy to dir and returns how to run it there.
func (p program) command(t *testing.T, dir, config string) (proc.Command, error) {
	file := filepath.Join(dir, "kv.conf")
	certFile, keyFile := wiretest.ServerFiles(t)
	cert, certErr := os.ReadFile(certFile)
	key, keyErr := os.ReadFile(keyFile)
	if certErr != nil || keyErr != nil {
		return proc.Command{}, fmt.Errorf("read the certificate: %v, %v", certErr, keyErr)
	}
	files := map[string]string{
		file:                                     config,
		filepath.Join(dir, "kv.example.com.pem"): string(cert) + string(key),
		filepath.Join(dir, "kv.example.com.key"): string(key),
	}
	if p.main != "" {
		main := filepath.Join(dir, "main.conf")
		files[main] = strings.NewReplacer("{dir}", dir, "{file}", file).Replace(p.main)
		file = main
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return proc.Command{}, err
		}
	}
	args := make([]string, len(p.args))
	for i, arg := range p.args {
		args[i] = strings.NewReplacer("{dir}", dir, "{file}", file).Replace(arg)
	}
	return proc.Command{Path: p.name, Args: args, Dir: dir, Env: []string{"HOME=" + dir}}, nil
}

// await waits until the proxy passes requests on: HAProxy first checks the store.
func (s *stage) await(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := clientFrom(t, "127.0.0.1", false)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("%s", res.Status)
		}
		if ctx.Err() != nil {
			t.Fatalf("the store behind the proxy is not ready: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// clientFrom returns a client that connects from a loopback address, with HTTP/1.1 or HTTP/2.
func clientFrom(t *testing.T, address string, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{
		Protocols: protocols, TLSClientConfig: wiretest.ClientTLS(t),
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
