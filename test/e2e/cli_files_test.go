package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"key-value/internal/testkit/proc"
)

// onSmallDisk runs a shell script in an empty directory on a disk of 256 KiB, and returns what it prints.
func onSmallDisk(t *testing.T, env []string, script string) string {
	t.Helper()
	own := []string{"--map-root-user", "--mount"}
	if err := command("unshare", append(own, "true")...); err != nil {
		t.Skipf("a disk of its own needs Linux with user namespaces: %v", err)
	}
	mount := `mount -t tmpfs -o size=256k none "$0" && cd "$0" && exec 2>&1` + "\n"
	return ran(t, proc.Command{Path: "unshare", Args: append(own, "sh", "-c", mount+script, t.TempDir()), Env: env}).Out
}

// wantInOrder checks that printed has all parts, one after the other.
func wantInOrder(t *testing.T, printed string, parts ...string) {
	t.Helper()
	rest := printed
	for _, part := range parts {
		var ok bool
		if _, rest, ok = strings.Cut(rest, part); !ok {
			t.Fatalf("%q is missing, or not at its place, in\n%s", part, printed)
		}
	}
}

func TestAFullDiskLosesNothing(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	lines := transferLines()
	if got := client(t, env, strings.Join(lines, ""), "import"); got.Code != 0 {
		t.Fatalf("kv import = %+v", got)
	}
	got := onSmallDisk(t, env, `
		kv keys create --file keys.json --id a > key
		printf '%s\n' '{"key":"entry/000000","value":"x"}' broken > in.ndjson
		cp keys.json before.json
		kv export --file out.ndjson; echo "export $?"
		ls -A
		kv keys rotate --file keys.json --id a > /dev/null; echo "rotate $?"
		kv import in.ndjson; echo "import $?"
		cmp keys.json before.json && ls -A
		mount -o remount,size=16m .
		kv export --file out.ndjson --resume; echo "resumed $?"
		wc -l < out.ndjson
		ls -A
		mount -o remount,ro .
		kv export --file other.ndjson; echo "export $?"
		kv export --file out.ndjson --resume; echo "resumed $?"
		kv keys rotate --file keys.json --id a > /dev/null; echo "rotate $?"
		kv man .; echo "man $?"
		cmp keys.json before.json && wc -l < out.ndjson && ls -A`)
	before := "before.json\nin.ndjson\nkey\nkeys.json\n"
	after := before + "out.ndjson\n"
	wantInOrder(t, got,
		"kv: to continue: kv export --file out.ndjson --resume\nkv: write out.ndjson.partial: no space left on device\nexport 1\n",
		before+"out.ndjson.partial\n",
		"kv: write keys.json: ", "no space left on device\nrotate 1\n",
		"kv: cannot save progress, --resume will not work: write in.ndjson.progress: ", "to continue: kv import in.ndjson --skip 1\n", "import 1\n",
		before+"out.ndjson.partial\n",
		"entries exported\nresumed 0\n20000\n", after,
		"kv: open other.ndjson.partial: read-only file system\nexport 1\n",
		"kv: open out.ndjson: read-only file system\nresumed 1\n",
		"kv: write keys.json: ", "read-only file system\nrotate 1\n",
		"kv: write kv-backup.1: ", "read-only file system\nman 1\n",
		"20000\n"+after)
}

// TestAnExportThatIsKilledContinues also shows that an incomplete file cannot be mistaken for an export.
func TestAnExportThatIsKilledContinues(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	lines := transferLines()
	if got := client(t, env, strings.Join(lines, ""), "import"); got.Code != 0 {
		t.Fatalf("kv import = %+v", got)
	}
	file := filepath.Join(t.TempDir(), "out.ndjson")
	p := launch(t, env, kv, "export", "--file", file)
	eventually(t, "the export has begun", func() bool {
		info, err := os.Stat(file + ".partial")
		return err == nil && info.Size() > 0 || exists(file)
	})
	p.end(t, syscall.SIGKILL)
	if got := client(t, env, "", "export", "--file", file, "--resume"); got.Code != 0 {
		t.Fatalf("kv export --resume = %+v", got)
	}
	text, err := os.ReadFile(file)
	if n := strings.Count(string(text), "\n"); err != nil || n != transferred || exists(file+".partial") {
		t.Errorf("the export has %d lines, %v, and its partial file is there: %v; want %d and false", n, err, exists(file+".partial"), transferred)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestStandardOutputCanBeNamed writes an export to what /dev/stdout is, and prints results where nothing can be printed.
func TestStandardOutputCanBeNamed(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	client(t, env, "x", "set", "a")
	shell := func(script string) proc.Result {
		return ran(t, proc.Command{Path: "sh", Args: []string{"-c", script}, Env: env, Dir: t.TempDir()})
	}
	line := "{\"key\":\"a\",\"value\":\"x\"}\n"
	for _, script := range []string{"kv export -f /dev/stdout", "kv export -f /dev/stdout | cat", "kv export -f /dev/stdout > file; cat file"} {
		if got := shell(script); got.Code != 0 || got.Out != line {
			t.Errorf("%s = %+v, want %q", script, got, line)
		}
	}
	for _, args := range []string{
		"get a", "get a -o json", "get a -o table", "ls", "ls --keys", "ls -o json", "export", "export -f /dev/stdout", "stats", "stats -o json",
		"set b x -o json", "del b -o json", "touch a --persist -o json", "incr n", "incr n -o json", "watch a --snapshot", "watch a --snapshot -o json",
		"version", "help", "help get", "ls --help", "keys create --file keys.json --id a", "bench --duration 10ms --keys 1",
	} {
		if got := shell("kv " + args + " > /dev/full"); got.Code != 1 || !strings.Contains(got.Err, "no space left on device") {
			t.Errorf("kv %s > /dev/full = %+v, want code 1 and the reason", args, got)
		}
	}
	if got := shell(`printf '{"get":{"key":"a"}}' | kv batch > /dev/full`); got.Code != 1 {
		t.Errorf("kv batch > /dev/full = %+v, want code 1", got)
	}
}
