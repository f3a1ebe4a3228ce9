package proxies_test

import (
	"context"
	"strings"
	"testing"

	"key-value/client"
	"key-value/internal/testkit/proc"
)

// plain are configurations without TLS, as people write them first. These proxies then speak HTTP/1.1 only.
var plain = map[string]string{
	"nginx": `server {
    listen 80;
    location / {
        proxy_pass http://127.0.0.1:8888;
    }
}
`,
	"caddy": `{
	admin localhost:2019
	servers {
		protocols h1
	}
}
http://127.0.0.1:80 {
	reverse_proxy 127.0.0.1:8888
}
`,
}

func TestOurClientsWorkBehindAProxyThatSpeaksOnlyHTTP11(t *testing.T) {
	for _, p := range programs {
		config, ok := plain[p.name]
		if !ok {
			continue // HAProxy recognizes HTTP/2 without TLS too
		}
		t.Run(p.name, func(t *testing.T) {
			p.addresses = map[string]string{"127.0.0.1:8888": "{store}"}
			if p.name == "nginx" {
				p.addresses["listen 80"] = "listen {listen}"
			} else {
				p.addresses["127.0.0.1:80"], p.addresses["localhost:2019"] = "{listen}", "{admin}"
			}
			s := p.startPlain(t, config)
			t.Run("the Go library", func(t *testing.T) { s.callWithLibrary(t) })
			t.Run("kv", func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				for _, step := range []struct{ args, out string }{
					{"set hello world", ""}, {"get hello", "world"}, {"incr n", "1"}, {"ls --keys", "hello\nlibrary\nn\n"}, {"del n", ""},
				} {
					args := append(strings.Fields(step.args), "--url", s.url)
					got, err := proc.KV(kv, []string{"KV_API_KEY=" + apiKey}, args...).Run(ctx)
					if err != nil || got.Code != 0 || strings.TrimSpace(got.Out) != strings.TrimSpace(step.out) {
						t.Errorf("kv %s = %+v, %v; want %q", step.args, got, err, step.out)
					}
				}
			})
			t.Run("kv watch", func(t *testing.T) { s.watchKV(t, "") })
		})
	}
}

func (s *stage) callWithLibrary(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	kv, err := client.New(s.url, client.WithAPIKey(apiKey))
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	if _, created, err := kv.Set(ctx, "library", []byte("1"), client.IfAbsent()); err != nil || !created {
		t.Fatalf("Set as the first call = %v, %v", created, err)
	}
	if got, err := kv.Get(ctx, "library"); err != nil || string(got.Value) != "1" {
		t.Errorf("Get = %q, %v", got.Value, err)
	}
}
