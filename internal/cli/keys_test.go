package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// made runs a command that prints a new key, and returns the key.
func made(t *testing.T, args ...string) string {
	t.Helper()
	got := kv(t, nil, "", append([]string{"keys"}, args...)...)
	if got.code != 0 || !regexp.MustCompile(`^kv_[a-z0-9-]+_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}\n$`).MatchString(got.out) || got.err == "" {
		t.Fatalf("kv keys %v = %+v, want only the key on standard output, and notes on standard error", args, got)
	}
	return strings.TrimSpace(got.out)
}

// become repeats a command with key until it exits with code.
func become(t *testing.T, url, key string, code int, args ...string) {
	t.Helper()
	env := map[string]string{"KV_URL": url, "KV_API_KEY": key}
	repeat(t, func() error {
		if got := kv(t, env, "", args...); got.code != code {
			return fmt.Errorf("kv %v = %+v, want code %d", args, got, code)
		}
		return nil
	})
}

func TestKeyChangesApplyToARunningServer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	admin := made(t, "create", "--file", file, "--id", "admin")
	server := startKV(t, map[string]string{"KV_API_KEYS_FILE": file}, "serve")
	become(t, server.url, admin, 0, "set", "reports/a", "1")

	reader := made(t, "create", "--file", file, "--id", "reader", "--prefix", "reports/", "--ops", "read", "--expires", "90d")
	become(t, server.url, reader, 0, "get", "reports/a")
	for name, args := range map[string][]string{
		"to write":           {"set", "reports/a", "2"},
		"another key":        {"get", "other"},
		"a wider list":       {"ls"},
		"the statistics":     {"stats"},
		"a wider watch":      {"watch", "--prefix", ""},
		"a counter's change": {"incr", "reports/a"},
	} {
		got := kv(t, map[string]string{"KV_URL": server.url, "KV_API_KEY": reader}, "", args...)
		if got.code != 4 || !strings.Contains(got.err, `"reader" may not`) {
			t.Errorf("%s: kv %v = %+v, want code 4 and the missing permission", name, args, got)
		}
	}

	again := made(t, "rotate", "--file", file, "--id", "reader", "--grace", "1h")
	become(t, server.url, again, 0, "get", "reports/a")
	become(t, server.url, reader, 0, "get", "reports/a")
	last := made(t, "rotate", "--file", file, "--id", "reader")
	become(t, server.url, last, 0, "ls", "reports/")
	become(t, server.url, again, 4, "get", "reports/a")

	watching, code := &lines{}, make(chan int, 1)
	env := map[string]string{"KV_URL": server.url, "KV_API_KEY": last}
	go func() {
		code <- run(t.Context(), "test", []string{"watch", "--prefix", "reports/", "--sync"}, streams{strings.NewReader(""), watching, watching}, clientEnv(env))
	}()
	watching.find(t.Context(), `(sync)`)
	if got := kv(t, nil, "", "keys", "revoke", "--file", file, "--id", "reader"); got != (result{}) {
		t.Errorf("kv keys revoke = %+v, want no output", got)
	}
	if got := <-code; got != 4 {
		t.Errorf("the watch of a revoked key ends with code %d, want 4: %s", got, watching.String())
	}
	become(t, server.url, last, 4, "get", "reports/a")
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), admin) {
		t.Errorf("the file holds a key: %s, %v", text, err)
	}
}

func TestKeysAreListed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	made(t, "create", "--file", file, "--id", "admin")
	made(t, "create", "--file", file, "--id", "ci", "--prefix", "ci/", "--ops", "write", "--rps", "5")
	env := map[string]string{"KV_API_KEYS_FILE": file}
	if got := kv(t, env, "", "keys", "revoke", "--id", "ci"); got.code != 0 {
		t.Fatalf("kv keys revoke = %+v", got)
	}
	want := `ID     STATE    EXPIRES IN  RPS       MAY
admin  active   never       no limit  read and write every key
ci     revoked  never       5         write 'ci/*'
`
	if got := kv(t, env, "", "keys", "list"); got.out != want {
		t.Errorf("kv keys list = %+v, want\n%s", got, want)
	}
	got := kv(t, env, "", "keys", "list", "-o", "json")
	if lines := strings.Split(got.out, "\n"); len(lines) != 3 || !strings.Contains(lines[1], `"state":"revoked"`) || strings.Contains(got.out, "sha256") {
		t.Errorf("kv keys list -o json = %+v, want a line for each key, without hashes", got)
	}
}

func TestInvalidKeysCommands(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	made(t, "create", "--file", file, "--id", "there")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		want int
	}{
		"no file":              {[]string{"list"}, 2},
		"no command":           {[]string{"nope"}, 2},
		"no id":                {[]string{"create", "--file", file}, 2},
		"a bad id":             {[]string{"create", "--file", file, "--id", "A_b"}, 2},
		"an existing id":       {[]string{"create", "--file", file, "--id", "there"}, 1},
		"an unknown operation": {[]string{"create", "--file", file, "--id", "a", "--ops", "fly"}, 2},
		"no operation":         {[]string{"create", "--file", file, "--id", "a", "--ops", ""}, 2},
		"an invalid period":    {[]string{"create", "--file", file, "--id", "a", "--expires", "soon"}, 2},
		"a negative rate":      {[]string{"create", "--file", file, "--id", "a", "--rps", "-1"}, 2},
		"an argument":          {[]string{"list", "--file", file, "extra"}, 2},
		"rotate unknown id":    {[]string{"rotate", "--file", file, "--id", "nobody"}, 1},
		"revoke unknown id":    {[]string{"revoke", "--file", file, "--id", "nobody"}, 1},
		"rotate without file":  {[]string{"rotate", "--file", file + "x", "--id", "there"}, 1},
	} {
		if got := kv(t, nil, "", append([]string{"keys"}, test.args...)...); got.code != test.want || got.out != "" || !strings.HasPrefix(got.err, "kv: ") {
			t.Errorf("%s: kv keys %v = %+v, want code %d and an error", name, test.args, got, test.want)
		}
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("a failed command changed the file to %s, %v", after, err)
	}
}

func TestAServerRejectsAnInvalidKeysFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, path := range map[string]string{
		"no such file":  filepath.Join(dir, "nope"),
		"chmod 600":     write("open", `{"version":1,"keys":[]}`, 0o644),
		"version 2":     write("new", `{"version":2,"things":[]}`, 0o600),
		"unexpected":    write("cut", `{"version":1,"ke`, 0o600),
		"unknown":       write("strange", `{"version":1,"keys":[],"x":1}`, 0o600),
		"sha256":        write("hashless", `{"version":1,"keys":[{"id":"a","status":"active"}]}`, 0o600),
		"status":        write("stateless", `{"version":1,"keys":[{"id":"a","sha256":"`+strings.Repeat("ab", 32)+`"}]}`, 0o600),
		"auth-failures": "--auth-failures=-1",
	} {
		args := []string{"serve", "--listen", "127.0.0.1:0", "--api-keys-file", path}
		if strings.HasPrefix(path, "--") {
			args[3], args[4] = path, "--drain=1s"
		}
		if got := kv(t, nil, "", args...); got.code == 0 || !strings.Contains(got.err, want) {
			t.Errorf("kv %v = %+v, want an error with %q", args, got, want)
		}
	}
}

// Concurrent edits of a file wait for each other.
func TestNoConcurrentEditIsLost(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	var all sync.WaitGroup
	for _, id := range strings.Fields("a b c d e f g h") {
		all.Go(func() {
			if got := kv(t, nil, "", "keys", "create", "--file", file, "--id", id); got.code != 0 {
				t.Errorf("kv keys create --id %s = %+v", id, got)
			}
		})
	}
	all.Wait()
	if got := kv(t, nil, "", "keys", "list", "--file", file, "-o", "json"); strings.Count(got.out, "\n") != 8 {
		t.Errorf("kv keys list = %+v, want all eight", got)
	}
}

// unwritable is a standard output that accepts nothing.
type unwritable struct{}

func (unwritable) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A key that was not printed must not replace one that is in use.
func TestAKeyThatCannotBePrintedChangesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	made(t, "create", "--file", file, "--id", "a")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"keys", "create", "--id", "b"}, {"keys", "rotate", "--id", "a"}} {
		var log bytes.Buffer
		code := run(t.Context(), "test", append(args, "--file", file), streams{strings.NewReader(""), unwritable{}, &log}, func(string) string { return "" })
		if code != 1 || !strings.Contains(log.String(), "nothing was changed") {
			t.Errorf("kv %v without a place for the key = code %d, %s", args, code, log.String())
		}
		wantUnchanged(t, file, string(before))
	}
}

func TestAKeysFileBehindADanglingLinkIsNotCreated(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "keys.json")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	got := kv(t, nil, "", "keys", "create", "--file", link, "--id", "a")
	if got.code != 1 || !strings.Contains(got.err, "is a symbolic link to a file that does not exist") {
		t.Errorf("kv keys create = %+v", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info, err)
	}
}
