package cli

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"key-value/internal/testkit/tlstest"
)

// secured starts a kvservice that requires a certificate, and returns it with the environment of a gateway that has one
// and requires none.
func secured(t *testing.T) (service *process, gatewayEnv map[string]string, servers *tlstest.Authority) {
	t.Helper()
	servers, gateways := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
	cert, key := servers.Files(t, tlstest.Leaf{})
	service = startKV(t, map[string]string{"KV_TLS_CERT": cert, "KV_TLS_KEY": key, "KV_TLS_CLIENT_CA": gateways.File(t)}, "kvservice")
	shown, shownKey := gateways.Files(t, tlstest.Leaf{Name: "gateway", Hosts: []string{"gateway"}})
	return service, map[string]string{
		"KV_API_KEY": "secret", "KV_TLS_CERT": cert, "KV_TLS_KEY": key, "KV_SERVICE": secure(service.url),
		"KV_SERVICE_CA": servers.File(t), "KV_SERVICE_CERT": shown, "KV_SERVICE_KEY": shownKey,
	}, servers
}

func secure(url string) string { return "https" + strings.TrimPrefix(url, "http") }

// readyz asks a gateway whether it is ready.
func readyz(t *testing.T, authority *tlstest.Authority, url string) int {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}}
	t.Cleanup(transport.CloseIdleConnections)
	res, err := (&http.Client{Transport: transport}).Get(url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestAllCommandsUseTLS(t *testing.T) {
	t.Parallel()
	service, env, servers := secured(t)
	url, ca := secure(startKV(t, env, "gateway").url), servers.File(t)
	client := map[string]string{"KV_URL": url, "KV_API_KEY": "secret", "KV_CA": ca}
	for _, step := range []struct {
		args []string
		want result
	}{
		{[]string{"set", "hello", "world"}, result{}},
		{[]string{"get", "hello"}, result{out: "world"}},
		{[]string{"healthcheck", url}, result{}},
		{[]string{
			"healthcheck", secure(service.url), "--client-cert", env["KV_SERVICE_CERT"], "--client-key", env["KV_SERVICE_KEY"],
		}, result{}},
	} {
		if got := kv(t, client, "", step.args...); got != step.want {
			t.Errorf("kv %v = %+v, want %+v", step.args, got, step.want)
		}
	}
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		code int
		says string
	}{
		"an unknown authority": {map[string]string{"KV_URL": url}, []string{"get", "a"}, 5, "--ca"},
		"health without TLS":   {nil, []string{"healthcheck", strings.Replace(url, "https", "http", 1)}, 1, "400"},
		"health, unknown CA":   {nil, []string{"healthcheck", url}, 1, "--ca"},
		"without TLS":          {map[string]string{"KV_URL": strings.Replace(url, "https", "http", 1)}, []string{"get", "a"}, 5, "use https://"},
		"another host":         {map[string]string{"KV_URL": strings.Replace(url, "127.0.0.1", "127.0.0.2", 1), "KV_CA": ca}, []string{"get", "a"}, 5, "127.0.0.2"},
		"no certificate":       {client, []string{"healthcheck", secure(service.url)}, 1, "certificate required"},
		"a missing CA file":    {client, []string{"get", "a", "--ca", "/nope.pem"}, 1, "--ca"},
		"half a pair":          {client, []string{"get", "a", "--client-cert", ca}, 2, "--client-key"},
		"a CA as certificate":  {client, []string{"get", "a", "--client-cert", ca, "--client-key", ca}, 1, "--client-cert"},
		"a key as CA":          {client, []string{"healthcheck", "--ca", env["KV_TLS_KEY"]}, 1, "--ca"},
	} {
		if got := kv(t, test.env, "", test.args...); got.code != test.code || !strings.Contains(got.err, test.says) {
			t.Errorf("%s: kv %v = %+v, want code %d and %q", name, test.args, got, test.code, test.says)
		}
	}
}

func TestAGatewayLogsWhyItsServiceIsUnreachable(t *testing.T) {
	t.Parallel()
	service, good, servers := secured(t)
	plain := startKV(t, nil, "kvservice")
	strangers := tlstest.NewAuthority(t)
	with := func(change map[string]string) map[string]string {
		env := maps.Clone(good)
		maps.Copy(env, change)
		return env
	}
	shown, shownKey := strangers.Files(t, tlstest.Leaf{})
	ended, endedKey := servers.Files(t, tlstest.Leaf{Ended: true})
	old := startKV(t, map[string]string{"KV_TLS_CERT": ended, "KV_TLS_KEY": endedKey}, "kvservice")
	for name, test := range map[string]struct {
		env  map[string]string
		says string
	}{
		"no certificate":             {with(map[string]string{"KV_SERVICE_CERT": "", "KV_SERVICE_KEY": ""}), "certificate required"},
		"an untrusted certificate":   {with(map[string]string{"KV_SERVICE_CERT": shown, "KV_SERVICE_KEY": shownKey}), "unknown certificate authority"},
		"another authority":          {with(map[string]string{"KV_SERVICE_CA": strangers.File(t)}), "signed by unknown authority"},
		"an expired certificate":     {with(map[string]string{"KV_SERVICE": secure(old.url)}), "has expired"},
		"TLS to a plaintext service": {with(map[string]string{"KV_SERVICE": secure(plain.url)}), "does not look like a TLS handshake"},
		"plaintext to a TLS service": {with(map[string]string{
			"KV_SERVICE": service.url, "KV_SERVICE_CA": "", "KV_SERVICE_CERT": "", "KV_SERVICE_KEY": "",
		}), "use https://"},
	} {
		t.Run(name, func(t *testing.T) {
			gateway := startKV(t, test.env, "gateway")
			if got := readyz(t, servers, secure(gateway.url)); got != http.StatusServiceUnavailable {
				t.Errorf("GET /readyz = %d, want 503", got)
			}
			if gateway.log.find(t.Context(), "(service is unreachable.*"+test.says+")") == "" {
				t.Errorf("the log does not say %q: %s", test.says, gateway.log.String())
			}
		})
	}
	if got := readyz(t, servers, secure(startKV(t, good, "gateway").url)); got != http.StatusOK {
		t.Errorf("GET /readyz with a correct configuration = %d, want 200", got)
	}
	for _, why := range []string{"didn't provide a certificate", "unknown authority"} {
		if service.log.find(t.Context(), "(TLS handshake failed.*"+why+")") == "" {
			t.Errorf("the service's log does not say %q: %s", why, service.log.String())
		}
	}
	if old.log.find(t.Context(), "(peers will reject this certificate.*expired)") == "" {
		t.Errorf("the log does not say that the certificate has expired: %s", old.log.String())
	}
}

func TestInvalidTLSFlags(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	cert, certKey := authority.Files(t, tlstest.Leaf{})
	_, other := authority.Files(t, tlstest.Leaf{})
	both := []string{"--tls-cert", cert, "--tls-key", certKey}
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a certificate without a key":    {[]string{"serve", "--tls-cert", cert}, 2, "--tls-key"},
		"a key without a certificate":    {[]string{"gateway", "--tls-key", certKey}, 2, "--tls-cert"},
		"the key of another certificate": {[]string{"serve", "--tls-cert", cert, "--tls-key", other}, 1, "does not match"},
		"no such file":                   {[]string{"kvservice", "--tls-cert", cert + ".x", "--tls-key", certKey}, 1, "no such file"},
		"--tls-client-ca without TLS":    {[]string{"kvservice", "--tls-client-ca", cert}, 2, "--tls-cert"},
		"an invalid --tls-client-ca":     {append([]string{"kvservice", "--tls-client-ca", certKey}, both...), 1, "--tls-client-ca"},
		"--service-ca without https":     {[]string{"gateway", "--service-ca", authority.File(t)}, 2, "https://"},
		"--service-cert without a key":   {[]string{"gateway", "--service", "https://127.0.0.1:1", "--service-cert", cert}, 2, "--service-key"},
		"TLS without authentication":     {append([]string{"kvservice", "--listen", "0.0.0.0:0"}, both...), 2, "--tls-client-ca"},
	} {
		if got := kv(t, key, "", test.args...); got.code != test.code || !strings.Contains(got.err, test.says) {
			t.Errorf("%s: kv %v = %+v, want code %d and %q", name, test.args, got, test.code, test.says)
		}
	}
}

// A kvservice that requires certificates may listen beyond loopback without a token.
func TestCertificatesReplaceTheToken(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	cert, certKey := authority.Files(t, tlstest.Leaf{})
	env := map[string]string{"KV_TLS_CERT": cert, "KV_TLS_KEY": certKey, "KV_TLS_CLIENT_CA": authority.File(t)}
	ctx, stop := context.WithCancel(t.Context())
	log := &lines{}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, "test", []string{"kvservice", "--listen", "0.0.0.0:0"}, streams{strings.NewReader(""), io.Discard, log},
			func(name string) string { return env[name] })
	}()
	if log.find(t.Context(), `(msg=listening .*tls=true)`) == "" {
		t.Error("the server is not listening")
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d, want 0", got)
	}
}

func TestAGeneratedKeyIsPrintedWithAnHTTPSURL(t *testing.T) {
	t.Parallel()
	cert, certKey := tlstest.NewAuthority(t).Files(t, tlstest.Leaf{})
	server := startKV(t, nil, "serve", "--tls-cert", cert, "--tls-key", certKey)
	if server.out.find(t.Context(), "(curl "+secure(server.url)+"/v1/values/hello)") == "" {
		t.Errorf("output: %s", server.out.String())
	}
}
