package proxies_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// The page warns of directives that turn one key into another.
func TestDirectivesThatChangeKeys(t *testing.T) {
	for _, test := range []struct {
		program, right, wrong string
		changed               map[string]string // :: path → the key that it should not name
	}{
		{
			"nginx", "proxy_pass http://kv$kv_path;", "proxy_pass http://kv/;",
			map[string]string{"a//b": "a/b", "a%2F%2Fb": "a/b"},
		},
		{"caddy", "uri path_regexp ^/kv/ /", "uri strip_prefix /kv", map[string]string{"a//b": "a/b"}},
	} {
		t.Run(test.program, func(t *testing.T) {
			p := programs[slices.IndexFunc(programs, func(p program) bool { return p.name == test.program })]
			config := block(t, p.language)
			if !strings.Contains(config, test.right) {
				t.Fatalf("the configuration has no %q", test.right)
			}
			s := p.start(t, strings.Replace(config, test.right, test.wrong, 1))
			for path, changed := range test.changed {
				res := ask(t.Context(), t, clientFrom(t, "127.0.0.1", false), http.MethodPut, s.url+"/kv/v1/values/"+path, path)
				if got, err := s.get(t, changed); err != nil || got != path {
					t.Errorf("PUT %s = %s, and the key %q has %q, %v; the page says that it has %q", path, res.Status, changed, got, err, path)
				}
			}
		})
	}
}

// There is no Envoy to run it. Its own messages say what a configuration may contain.
func TestEnvoyWouldAcceptItsConfiguration(t *testing.T) {
	var config any
	if err := yaml.Unmarshal([]byte(block(t, "yaml")), &config); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var read bootstrap.Bootstrap
	if err := protojson.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if err := read.ValidateAll(); err != nil {
		t.Error(err)
	}
}
