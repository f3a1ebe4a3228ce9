package proxies_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
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

func TestTheConfigurationOfEnvoyIsYAML(t *testing.T) {
	var config map[string]any
	if err := yaml.Unmarshal([]byte(block(t, "yaml")), &config); err != nil || config["static_resources"] == nil {
		t.Errorf("it is %v, %v", config, err)
	}
}
