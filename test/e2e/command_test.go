package e2e_test

import (
	"strings"
	"testing"
)

func TestClientCommands(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			url := d.start(t).url
			env := []string{"KV_URL=" + url, "KV_API_KEY=" + apiKey}
			binary := "\xff\x00\xfe\r\n"
			for _, step := range []struct {
				name  string
				env   []string // nil: the right ones
				stdin string
				args  string
				code  int
				out   string
			}{
				{name: "get an absent key", args: "get hello", code: 3},
				{name: "set", args: "set hello world"},
				{name: "get", args: "get hello", out: "world"},
				{name: "set from standard input", args: "set hello", stdin: binary},
				{name: "get the same bytes", args: "get hello", out: binary},
				{name: "set an empty value", args: "set empty --allow-empty", stdin: ""},
				{name: "get an empty value", args: "get empty"},
				{name: "set nothing", args: "set empty", code: 2},
				{name: "set with a ttl", args: "set --ttl 1h hello world"},
				{name: "set with an invalid ttl", args: "set --ttl soon hello never", code: 2},
				{name: "set with a ttl in the past", args: "set --ttl -1s hello never", code: 2},
				{name: "failures changed nothing", args: "get hello", out: "world"},
				{name: "a key with slashes", args: "set a//b slashes"},
				{name: "and back", args: "get a//b", out: "slashes"},
				{name: "a flag overrides a variable", env: []string{"KV_URL=http://127.0.0.1:1", "KV_API_KEY=" + apiKey}, args: "get hello --url " + url, out: "world"},
				{name: "no key", env: []string{"KV_URL=" + url}, args: "get hello", code: 4},
				{name: "wrong key", env: []string{"KV_URL=" + url, "KV_API_KEY=wrong"}, args: "get hello", code: 4},
				{name: "no server", env: []string{"KV_URL=http://127.0.0.1:1"}, args: "get hello", code: 5},
				{name: "no URL", env: []string{"KV_URL=localhost"}, args: "get hello", code: 2},
				{name: "no such command", args: "frob", code: 2},
				{name: "no such flag", args: "get --frob hello", code: 2},
				{name: "too few arguments", args: "get", code: 2},
				{name: "delete", args: "del hello"},
				{name: "delete again", args: "del hello"},
				{name: "get a deleted key", args: "get hello", code: 3},
				{name: "ready", args: "healthcheck " + url},
				{name: "not ready", args: "healthcheck http://127.0.0.1:1", code: 1},
			} {
				t.Run(step.name, func(t *testing.T) {
					if step.env == nil {
						step.env = env
					}
					got := client(t, step.env, step.stdin, strings.Fields(step.args)...)
					if got.Code != step.code || got.Out != step.out {
						t.Errorf("kv %s = %+v, want code %d and %q", step.args, got, step.code, step.out)
					}
					if said := got.Err != ""; said != (step.code != 0) {
						t.Errorf("kv %s wrote %q to standard error", step.args, got.Err)
					}
				})
			}
		})
	}
}

func TestHealthcheckOfAKVService(t *testing.T) {
	service := startService(t, "127.0.0.1:0")
	if got := client(t, nil, "", "healthcheck", "http://"+service.Addr); got.Code != 0 {
		t.Errorf("kv healthcheck = %+v, want code 0", got)
	}
	gateway := startGateway(t, "127.0.0.1:1", serviceToken)
	if got := client(t, nil, "", "healthcheck", "http://"+gateway.Addr); got.Code != 1 {
		t.Errorf("kv healthcheck of a gateway without a service = %+v, want code 1", got)
	}
}

func TestVersion(t *testing.T) {
	if got := client(t, nil, "", "version"); got.Code != 0 || !strings.HasPrefix(got.Out, "kv ") {
		t.Errorf("kv version = %+v", got)
	}
}
