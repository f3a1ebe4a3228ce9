package cli

import (
	"net/http"
	"testing"
)

// The log names the caller behind a trusted proxy, and believes nobody else.
func TestTheLogNamesTheCallerBehindATrustedProxy(t *testing.T) {
	t.Parallel()
	for networks, want := range map[string]string{"10.0.0.0/8,127.0.0.1": `192\.0\.2\.1`, "10.0.0.0/8": `127\.0\.0\.1:\d+`} {
		server := startKV(t, key, "serve", "--log-level", "debug", "--trusted-proxies", networks)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+"/v1/values/a", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "198.51.100.9, 192.0.2.1")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if server.log.find(t.Context(), `msg=request .*peer=(`+want+`) status=401 `) == "" {
			t.Errorf("with --trusted-proxies %s the log does not name %s:\n%s", networks, want, server.log)
		}
	}
}
