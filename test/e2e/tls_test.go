package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"key-value/internal/testkit/proc"
)

// certificates is a directory with an authority, ca.pem, and the certificates that it has signed.
type certificates string

func newCertificates(t *testing.T) certificates {
	t.Helper()
	c := certificates(t.TempDir())
	c.openssl(t, "ca", "-days", "2")
	return c
}

func (c certificates) file(name string) string { return filepath.Join(string(c), name) }

func (c certificates) openssl(t *testing.T, name string, args ...string) {
	t.Helper()
	openssl := proc.Command{Path: "openssl", Args: append([]string{
		"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
		"-out", c.file(name + ".pem"), "-keyout", c.file(name + ".key"),
	}, args...)}
	if _, err := openssl.Output(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// sign writes a new certificate and its key, and replaces existing ones.
func (c certificates) sign(t *testing.T, name string) {
	t.Helper()
	c.openssl(t, name, "-days", "1", "-CA", c.file("ca.pem"), "-CAkey", c.file("ca.key"),
		"-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
}

// trusting returns a client configuration with the certificate name. Empty: without a certificate.
func (c certificates) trusting(t *testing.T, name string) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(c.file("ca.pem"))
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(ca)
	if name != "" {
		pair, loadErr := tls.LoadX509KeyPair(c.file(name+".pem"), c.file(name+".key"))
		config.Certificates, err = []tls.Certificate{pair}, errors.Join(err, loadErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// client returns a client that trusts the authority and uses HTTP/2 or HTTP/1.1.
func (c certificates) client(t *testing.T, http2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(http2)
	protocols.SetHTTP1(!http2)
	transport := &http.Transport{TLSClientConfig: c.trusting(t, ""), Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// secured starts both services as two processes, with TLS on both hops.
func secured(t *testing.T) (certificates, deployment) {
	t.Helper()
	c := newCertificates(t)
	for _, name := range []string{"front", "service", "gateway"} {
		c.sign(t, name)
	}
	service := start(t, nil, "kvservice", "--listen", "127.0.0.1:0",
		"--tls-cert", c.file("service.pem"), "--tls-key", c.file("service.key"), "--tls-client-ca", c.file("ca.pem"))
	gateway := start(t, []string{"KV_API_KEY=" + apiKey}, "gateway", "--listen", "127.0.0.1:0",
		"--tls-cert", c.file("front.pem"), "--tls-key", c.file("front.key"), "--service", "https://"+service.Addr,
		"--service-ca", c.file("ca.pem"), "--service-cert", c.file("gateway.pem"), "--service-key", c.file("gateway.key"))
	return c, deployment{url: "https://" + gateway.Addr, gateway: gateway, service: service}
}

// serial returns the serial number of the server's certificate on a new connection.
func serial(t *testing.T, p *process, config *tls.Config) *big.Int {
	t.Helper()
	conn, err := tls.Dial("tcp", p.Addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber
}

// put writes a value.
func put(client *http.Client, url string) error {
	req, err := http.NewRequest(http.MethodPut, url, strings.NewReader("value"))
	if err != nil {
		return err
	}
	req.Header.Set("X-Api-Key", apiKey)
	req.Header.Set("Content-Type", "text/plain")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode >= 300 {
		return fmt.Errorf("%s: %s, %w", res.Status, body, err)
	}
	return nil
}

func TestCertificatesChangeUnderLoadAndNoCallFails(t *testing.T) {
	c, d := secured(t)
	eachAnew := c.client(t, false)
	eachAnew.Transport.(*http.Transport).DisableKeepAlives = true
	var calls atomic.Int64
	var callers sync.WaitGroup
	done := make(chan struct{})
	stop := sync.OnceFunc(func() { close(done); callers.Wait() })
	defer stop()
	for name, client := range map[string]*http.Client{
		"HTTP/2": c.client(t, true), "HTTP/1.1": c.client(t, false), "a connection per request": eachAnew,
	} {
		callers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := put(client, d.url+"/v1/values/a"); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for range 2 {
		front, service := serial(t, d.gateway, c.trusting(t, "")), serial(t, d.service, c.trusting(t, "gateway"))
		for _, name := range []string{"front", "service", "gateway"} {
			c.sign(t, name) // one file after the other, so that they do not match for a moment
		}
		eventually(t, "the new certificates are in use", func() bool {
			return serial(t, d.gateway, c.trusting(t, "")).Cmp(front) != 0 && serial(t, d.service, c.trusting(t, "gateway")).Cmp(service) != 0
		})
		before := calls.Load()
		eventually(t, "calls continue", func() bool { return calls.Load() > before+100 })
	}
	stop()
	if code := d.gateway.stop(t); code != 0 {
		t.Errorf("the gateway's exit code is %d, want 0", code)
	}
}

// A gateway that reconnects uses the certificate that is in its files then.
func TestAGatewaySendsItsServiceTheNewCertificate(t *testing.T) {
	c, d := secured(t)
	client := c.client(t, true)
	if err := put(client, d.url+"/v1/values/a"); err != nil {
		t.Fatal(err)
	}
	others := newCertificates(t)
	others.sign(t, "gateway")
	for _, kind := range []string{".pem", ".key"} {
		if err := os.Rename(others.file("gateway"+kind), c.file("gateway"+kind)); err != nil {
			t.Fatal(err)
		}
	}
	d.gateway.logs(t, "reloaded files")
	if err := put(client, d.url+"/v1/values/a"); err != nil {
		t.Errorf("on the open connection: %v", err)
	}
	if code := d.service.stop(t); code != 0 {
		t.Errorf("the service's exit code is %d, want 0", code)
	}
	start(t, nil, "kvservice", "--listen", d.service.Addr,
		"--tls-cert", c.file("service.pem"), "--tls-key", c.file("service.key"), "--tls-client-ca", others.file("ca.pem"))
	eventually(t, "the service accepts the new certificate", func() bool { return put(client, d.url+"/v1/values/a") == nil })
}

// changeAuthority replaces ca.pem with a new authority and returns its directory, with a certificate for name.
func (c certificates) changeAuthority(t *testing.T, name string) certificates {
	t.Helper()
	others := newCertificates(t)
	others.sign(t, name)
	if err := os.Rename(c.file("ca.pem"), c.file("old.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(others.file("ca.pem"), c.file("ca.pem")); err != nil {
		t.Fatal(err)
	}
	return others
}

func TestAGatewayTrustsTheNewAuthorityOfItsService(t *testing.T) {
	c, d := secured(t)
	client := c.client(t, true)
	if err := put(client, d.url+"/v1/values/a"); err != nil {
		t.Fatal(err)
	}
	others := c.changeAuthority(t, "service")
	d.gateway.logs(t, "reloaded files")
	if err := put(client, d.url+"/v1/values/a"); err != nil {
		t.Errorf("on the open connection: %v", err)
	}
	if code := d.service.stop(t); code != 0 {
		t.Errorf("the service's exit code is %d, want 0", code)
	}
	start(t, nil, "kvservice", "--listen", d.service.Addr,
		"--tls-cert", others.file("service.pem"), "--tls-key", others.file("service.key"), "--tls-client-ca", c.file("old.pem"))
	eventually(t, "the gateway accepts the service's new certificate", func() bool { return put(client, d.url+"/v1/values/a") == nil })
}

func TestAWatchTrustsTheNewAuthorityOfItsGateway(t *testing.T) {
	c := newCertificates(t)
	c.sign(t, "front")
	service := start(t, nil, "kvservice", "--listen", "127.0.0.1:0")
	gateway := func(c certificates, listen string) *process {
		return start(t, []string{"KV_API_KEY=" + apiKey}, "gateway", "--listen", listen, "--service", "http://"+service.Addr,
			"--tls-cert", c.file("front.pem"), "--tls-key", c.file("front.key"))
	}
	first := gateway(c, "127.0.0.1:0")
	watch := launch(t, []string{"KV_API_KEY=" + apiKey}, kv, "watch", "a", "--sync", "--url", "https://"+first.Addr, "--ca", c.file("ca.pem"))
	watch.prints(t, "sync")
	others := c.changeAuthority(t, "front")
	watch.logs(t, "reloaded files")
	first.stop(t)
	if err := put(c.client(t, true), "https://"+gateway(others, first.Addr).Addr+"/v1/values/a"); err != nil {
		t.Fatal(err)
	}
	watch.prints(t, "put")
}

func TestAServiceRejectsClientsWithoutACertificate(t *testing.T) {
	c, d := secured(t)
	strangers := newCertificates(t)
	strangers.sign(t, "stranger")
	unknown := c.trusting(t, "")
	unknown.Certificates = strangers.trusting(t, "stranger").Certificates
	for name, config := range map[string]*tls.Config{"no certificate": c.trusting(t, ""), "a stranger's": unknown} {
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		for _, path := range []string{"/readyz", "/keyvalue.v1.KeyValueService/Get"} {
			res, err := (&http.Client{Transport: transport}).Get("https://" + d.service.Addr + path)
			if err == nil {
				res.Body.Close()
				t.Errorf("with %s, GET %s = %s, want no response", name, path, res.Status)
			}
		}
	}
}

func TestAStoppingServerFinishesItsCallsOverTLS(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP/2: ", http2), func(t *testing.T) {
			c, d := secured(t)
			body, rest := io.Pipe()
			began := make(chan struct{})
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(began) }})
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, d.url+"/v1/values/slow", body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = 6
			req.Header = http.Header{"X-Api-Key": {apiKey}, "Content-Type": {"text/plain"}, "Expect": {"100-continue"}}
			client := c.client(t, http2)
			client.Transport.(*http.Transport).ExpectContinueTimeout = patience
			answered := make(chan string, 1)
			go func() {
				res, err := client.Do(req)
				if err != nil {
					answered <- err.Error()
					return
				}
				res.Body.Close()
				answered <- res.Status
			}()
			<-began
			stopping(t, d.gateway)
			if _, err := io.WriteString(rest, "notend"); err != nil {
				t.Fatal(err)
			}
			rest.Close()
			if got := <-answered; got != "201 Created" {
				t.Errorf("the call in progress = %s, want 201 Created", got)
			}
			if code := d.gateway.wait(t); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}
