package cli

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// edit runs kv edit with an editor that is a shell command, for which "$1" is the file.
func edit(t *testing.T, env map[string]string, key, editor string) result {
	t.Helper()
	env = maps.Clone(env)
	env["EDITOR"] = "edit() { " + editor + "; }; edit"
	return kv(t, env, "", "edit", key)
}

func TestAValueIsEdited(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for name, test := range map[string]struct{ before, editor, after string }{
		"a word":                        {"hello\n", `sed -i s/hello/bye/ "$1"`, "bye\n"},
		"a newline that editors add":    {"hello", `echo bye > "$1"`, "bye"},
		"a newline that was there":      {"hello\n", `printf bye > "$1"`, "bye"},
		"several newlines":              {"hello", `printf 'a\n\n' > "$1"`, "a\n"},
		"nothing":                       {"hello", `true`, "hello"},
		"a file that takes its place":   {"hello", `echo bye > "$1.new"; mv "$1.new" "$1"`, "bye"},
		"a value of nothing":            {"", `echo bye > "$1"`, "bye"},
		"a value that becomes nothing":  {"hello", `: > "$1"`, ""},
		"a file that others cannot see": {"hello", `stat -c %a "$(dirname "$1")" "$1" > "$1.mode"; cat "$1.mode" > "$1"`, "700\n600"},
	} {
		t.Run(name, func(t *testing.T) {
			kv(t, env, test.before, "set", "k", "--allow-empty", "--ttl", "1d")
			got := edit(t, env, "k", test.editor)
			if after := kv(t, env, "", "get", "k"); got.code != 0 || after.out != test.after {
				t.Errorf("kv edit = %+v, then get = %+v; want %q", got, after, test.after)
			}
			if ttl := kv(t, env, "", "ttl", "k"); !strings.HasSuffix(ttl.out, "s\n") {
				t.Errorf("kv ttl = %+v, want that of before", ttl)
			}
		})
	}
}

// Nothing is written over what another has written, and no text is lost.
func TestAnEditThatCannotBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	server := startKV(t, key, "serve")
	env := map[string]string{"KV_URL": server.url, "KV_API_KEY": "secret"}
	other := `curl --silent --fail -X PUT ` + server.url + `/v1/values/k -H 'x-api-key: secret' -H 'content-type: text/plain' -d other`
	for name, test := range map[string]struct {
		editor string
		code   int
		after  string
	}{
		"another wrote":                {other + `; echo mine > "$1"`, 6, "other"},
		"the editor fails":             {`echo mine > "$1"; false`, 1, "before"},
		"the value becomes too large":  {`head -c 2000000 /dev/zero | tr '\0' x > "$1"`, 1, "before"},
		"another deleted it meanwhile": {`curl --silent --fail -X DELETE ` + server.url + `/v1/values/k -H 'x-api-key: secret'; echo mine > "$1"`, 6, ""},
	} {
		t.Run(name, func(t *testing.T) {
			kv(t, env, "before", "set", "k")
			got := edit(t, env, "k", test.editor)
			file := regexp.MustCompile(`; the edited text is in (\S+)`).FindStringSubmatch(got.err)
			if got.code != test.code || file == nil {
				t.Fatalf("kv edit = %+v, want code %d and a file", got, test.code)
			}
			defer os.RemoveAll(filepath.Dir(file[1]))
			if text, err := os.ReadFile(file[1]); err != nil || len(text) == 0 {
				t.Errorf("the file has %q, %v", text, err)
			}
			if after := kv(t, env, "", "get", "k"); after.out != test.after {
				t.Errorf("then get = %+v, want %q", after, test.after)
			}
		})
	}
	for line, want := range map[string]wants{
		"edit nothing": {3, "", `kv: there is no key "nothing"\n`},
		"edit binary":  {1, "", `kv: the value is binary \(2 bytes\), .*\n`},
	} {
		kv(t, env, "\xff\x00", "set", "binary")
		check(t, env, "", line, want)
	}
	kv(t, env, "before", "set", "k")
	if got := edit(t, env, "k", "false"); got.code != 1 || strings.Contains(got.err, "edited text") {
		t.Errorf("an editor that only fails = %+v, want no file", got)
	}
}

func TestVersionIsAFlagToo(t *testing.T) {
	t.Parallel()
	want := kv(t, nil, "", "version")
	for _, flag := range []string{"--version", "-v"} {
		if got := kv(t, nil, "", flag); got != want || !strings.HasPrefix(got.out, "kv test (go") {
			t.Errorf("kv %s = %+v, want %+v", flag, got, want)
		}
	}
}

func TestDurationsHaveDaysAndWeeks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "7d": 7 * day, "2w": 14 * day, "1w2d12h": 9*day + 12*time.Hour, "1.5d": 36 * time.Hour, ".5w": 84 * time.Hour,
		"0": 0, "-1d": -day, "1h30m": 90 * time.Minute, "5ms": 5 * time.Millisecond, "12h1d": 36 * time.Hour,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "1", "1 d", "d1", "1y", "soon", "1d ", "1..5d", "99999999999999w"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
	root := newRoot("test", streams{}, func(string) string { return "" })
	for _, cmd := range withSubcommands(root.Commands()) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if kind := f.Value.Type(); kind != "duration" && kind != "period" {
				return
			}
			if err := f.Value.Set("0.01d"); err != nil {
				t.Errorf("%s --%s: %v", cmd.CommandPath(), f.Name, err)
			}
		})
	}
}
