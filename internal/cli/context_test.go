package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain gives the tests a configuration directory of their own.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kv-config-")
	if err != nil {
		panic(err)
	}
	for _, variable := range []string{"XDG_CONFIG_HOME", "AppData"} {
		if err := os.Setenv(variable, dir); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func TestContexts(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(t.TempDir(), "new"))
	one, two := serving(t)["KV_URL"], startKV(t, map[string]string{"KV_API_KEY": "other"}, "serve").url
	secret, other, none := key, map[string]string{"KV_API_KEY": "other"}, map[string]string(nil)
	check(t, none, "", "context ls", wants{})
	check(t, secret, "", "context add one --url "+one[len("http://"):], wants{})
	check(t, other, "", "context add two --url "+two, wants{})
	path, err := contextPath()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	check(t, none, "", "set name one", wants{}) // the first context is used at once
	check(t, none, "", "context use two", wants{})
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file of contexts has mode %v, %v; want 0600", info.Mode(), err)
	}
	check(t, none, "", "context ls", wants{out: `  one +` + one + `\n\* two +` + two + `\n`})
	check(t, none, "", "set name two", wants{})
	for _, test := range []struct {
		env  map[string]string
		line string
		want wants
	}{
		{none, "get name", wants{out: "two"}},
		{none, "get name --context one", wants{out: "one"}},
		{map[string]string{"KV_CONTEXT": "one"}, "get name", wants{out: "one"}},
		{map[string]string{"KV_CONTEXT": "one"}, "get name --context two", wants{out: "two"}},
		{map[string]string{"KV_URL": one, "KV_API_KEY": "secret"}, "get name", wants{out: "one"}},
		{map[string]string{"KV_URL": one, "KV_API_KEY": "secret"}, "get name --context two", wants{out: "two"}},
		{secret, "get name --url " + one, wants{out: "one"}},
		{secret, "get name --context two --url " + one, wants{out: "one"}},
		{map[string]string{"KV_API_KEY": "wrong"}, "get name", wants{4, "", `kv: .*; the server does not accept the key in KV_API_KEY\n`}},
		{none, "get name --context three", wants{2, "", `kv: no context "three": run kv context ls for a list\n`}},
		{none, "context use three", wants{2, "", `kv: no context "three": .*\n`}},
		{none, "context rm three", wants{2, "", `kv: no context "three": .*\n`}},
		{none, "context add four", wants{2, "", `kv: invalid service URL "": .*\n`}},
		{none, "context add four --url http://anna:secret@h:1", wants{2, "", `kv: a context keeps no user name or password: remove them from --url, .*\n`}},
		{none, "context add -- -x", wants{2, "", `kv: .*\n`}},
	} {
		check(t, test.env, "", test.line, test.want)
	}
	check(t, map[string]string{"KV_API_KEY": "wrong"}, "", "context add one --url "+one, wants{})
	check(t, none, "", "get name --context one", wants{4, "", `kv: .*; the server does not accept the key of the context one\n`})
	check(t, none, "", "context rm two", wants{})
	check(t, none, "", "context ls", wants{out: `  one +` + one + `\n`})
	if err := os.WriteFile(path, []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, none, "", "get name", wants{1, "", `kv: \S+contexts.json is not a file of contexts: .*\n`})
}

func TestTheKeyOfAContextGoesToItsOwnURL(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	url := serving(t)["KV_URL"]
	check(t, key, "", "context add one --url "+url, wants{})
	check(t, nil, "", "set a 1", wants{})
	check(t, nil, "", "get a --url "+url+"/", wants{4, "", `kv: .*; set KV_API_KEY to an API key\n`})
	check(t, map[string]string{"KV_URL": url + "/"}, "", "get a", wants{4, "", `kv: .*; set KV_API_KEY to an API key\n`})
	check(t, nil, "", "get a --context one --url "+url+"/", wants{4, "", `kv: .*; set KV_API_KEY to an API key\n`})
}

// What a command line runs, or prints for another one, connects to the same store.
func TestTheContextOfACommandIsPassedOn(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	one, two := serving(t)["KV_URL"], serving(t)["KV_URL"]
	check(t, nil, "", "context add down --url http://127.0.0.1:1", wants{})
	check(t, key, "", "context add one --url "+one, wants{})
	check(t, nil, "", "set a 1 --context one", wants{})
	for _, test := range []struct {
		env  map[string]string
		line string
		want wants
	}{
		{nil, "healthcheck", wants{1, "", `kv: http://127.0.0.1:1 is not ready: .*\n`}},
		{nil, "healthcheck --context one", wants{}},
		{map[string]string{"KV_CONTEXT": "one"}, "healthcheck", wants{}},
		{nil, "healthcheck " + one, wants{}},
		{map[string]string{"KV_URL": one}, "healthcheck", wants{}},
		{nil, "healthcheck --context down " + one, wants{}},
		{nil, "healthcheck --context three", wants{2, "", `kv: no context "three": .*\n`}},
		{nil, "watch a --context one --snapshot --once -- env", wants{out: `.*(KV_CONTEXT=one\n.*KV_URL=\n|KV_URL=\n.*KV_CONTEXT=one\n).*`}},
		{key, "watch a --url " + one + " --timeout 5s --snapshot --once -- env", wants{out: `.*(KV_URL=` + one + `\n.*KV_TIMEOUT=5s|KV_TIMEOUT=5s\n.*KV_URL=` + one + `)\n.*`}},
	} {
		check(t, test.env, "", test.line, test.want)
	}
	w := startWatch(t, nil, "a", "--context", "one", "--sync")
	w.out.find(t.Context(), `(sync)\n`)
	if said := w.end(t); !strings.HasPrefix(said, "kv: to resume: kv watch --context one a --resume ") {
		t.Errorf("the watch logged %q, want a command that resumes it with its context", said)
	}
	check(t, key, `{"key":"b","value":"x"}`+"\n?", "import --url "+two, wants{1, "",
		`kv: 1 entry written\nkv: line 1 imported; to continue: kv import - --url ` + two + ` --skip 1\nkv: .*\n`})
}
