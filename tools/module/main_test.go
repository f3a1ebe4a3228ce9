package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const renamed = "example.com/you/key-value"

// TestARenamedModuleBuildsAndCanBeImported renames a copy of the tree, builds and tests it there, and imports its client
// from a second module.
func TestARenamedModuleBuildsAndCanBeImported(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything under another module path")
	}
	root := cloneTree(t)
	var said bytes.Buffer
	if err := rename(t.Context(), root, renamed, &said); err != nil {
		t.Fatal(err)
	}
	if want := "key-value is now " + renamed + ", in "; !strings.HasPrefix(said.String(), want) {
		t.Errorf("output = %q, want %q and a number of files", said.String(), want)
	}
	if left := grep(t, root, `"key-value/`, "*.go"); left != "" {
		t.Errorf("old imports are left:\n%s", left)
	}
	if left := grep(t, root, `^(module|replace|require)? *key-value`, "*.mod"); left != "" {
		t.Errorf("old module paths are left:\n%s", left)
	}
	command(t, root, "go", "vet", "./...")
	command(t, filepath.Join(root, "test"), "go", "vet", "./...")
	command(t, filepath.Join(root, "tools"), "go", "vet", "./...")
	command(t, root, "go", "test", "-short", "./client", "./gateway/rest", "./internal/contract/...", "./kvservice")
	importClient(t, root)
}

// importClient builds and runs a program of another module that uses the client in root.
func importClient(t *testing.T, root string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"), `package main

import (
	"fmt"

	"`+renamed+`/client"
)

func main() {
	_, err := client.New("http://127.0.0.1:8888")
	fmt.Print(err)
}
`)
	command(t, dir, "go", "mod", "init", "example.com/second")
	command(t, dir, "go", "mod", "edit", "-require", renamed+"@v0.0.0", "-replace", renamed+"="+root)
	command(t, dir, "go", "mod", "tidy")
	if got := command(t, dir, "go", "run", "."); got != "<nil>" {
		t.Errorf("the second module's program printed %q, want <nil>", got)
	}
}

func TestProseIsLeftAlone(t *testing.T) {
	r := newReferences("key-value")
	for before, want := range map[string]string{
		"module key-value\n":                            "module new.example/kv\n",
		"module key-value/test\n":                       "module new.example/kv/test\n",
		"replace key-value => ..":                       "replace new.example/kv => ..",
		"\tkey-value v0.0.0":                            "\tnew.example/kv v0.0.0",
		`import "key-value/client"`:                     `import "new.example/kv/client"`,
		"grep -v '^key-value/gen/'":                     "grep -v '^new.example/kv/gen/'",
		"-require key-value@v0.0.0":                     "-require new.example/kv@v0.0.0",
		"-replace key-value=$clone":                     "-replace new.example/kv=$clone",
		"a key-value store":                             "a key-value store",
		"docker build -t key-value .":                   "docker build -t key-value .",
		"deploy/grafana/dashboards/key-value.json":      "deploy/grafana/dashboards/key-value.json",
		"github.com/else/key-value/client":              "github.com/else/key-value/client",
		"key-value, one process":                        "key-value, one process",
		`option go_package = "key-value/gen/keyvalue/"`: `option go_package = "new.example/kv/gen/keyvalue/"`,
	} {
		if got := string(r.replace([]byte(before), "new.example/kv")); got != want {
			t.Errorf("%q became %q, want %q", before, got, want)
		}
	}
}

func TestBadModulePathsAreRefused(t *testing.T) {
	for path, want := range map[string]string{
		"":                      "invalid module path",
		"key-value":             "invalid module path",
		"example.com":           "invalid module path",
		"https://example.com/x": "invalid module path",
		"example.com/a b":       "invalid module path",
		"example.com/same":      "already",
	} {
		if err := checkPath("example.com/same", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkPath(%q) = %v, want %q in it", path, err, want)
		}
	}
	if err := run(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "want one argument") {
		t.Errorf("run without arguments = %v", err)
	}
}

// cloneTree copies the files of the working tree into a repository of its own, with buf beside them.
func cloneTree(t *testing.T) string {
	t.Helper()
	source, err := output(t.Context(), ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		t.Fatal(err)
	}
	source = strings.TrimSpace(source)
	files, err := output(t.Context(), source, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, name := range strings.Split(strings.TrimRight(files, "\x00"), "\x00") {
		copyFile(t, filepath.Join(source, name), filepath.Join(root, name))
	}
	command(t, root, "git", "init", "--quiet")
	if err := os.Symlink(filepath.Join(source, "tools", "node_modules"), filepath.Join(root, "tools", "node_modules")); err != nil {
		t.Fatal(err)
	}
	return root
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if os.IsNotExist(err) {
		return // deleted, and not committed yet
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, data, info.Mode().Perm())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command runs a program in dir and returns its standard output.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.Bytes())
	}
	return string(out)
}

// grep returns the lines that match pattern in the files named by glob, those of this package apart.
func grep(t *testing.T, root, pattern, glob string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "grep", "-rnE", "--exclude-dir", "module", "--include", glob, pattern, ".")
	cmd.Dir = root
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
