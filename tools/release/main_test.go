package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestRelease builds a release for this system and looks at all of it.
func TestRelease(t *testing.T) {
	out, platform := t.TempDir(), runtime.GOOS+"/"+runtime.GOARCH
	args := []string{"--version", "v9.8.7-test", "--out", out, "--only", platform}
	if err := run(t.Context(), args, io.Discard); err != nil {
		t.Fatal(err)
	}
	name := "kv_v9.8.7-test_" + strings.ReplaceAll(platform, "/", "_")
	unpack := exec.Command("tar", "-xzf", name+".tar.gz")
	unpack.Dir = out
	if said, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	said, err := exec.Command(filepath.Join(out, name, "kv"), "version").Output()
	if err != nil || !strings.HasPrefix(string(said), "kv v9.8.7-test ") {
		t.Errorf("kv version = %q, %v", said, err)
	}
	for _, file := range []string{"LICENSE", "man/kv.1", "man/kv-serve.1", "completions/kv.bash", "completions/_kv", "completions/kv.fish"} {
		if info, err := os.Stat(filepath.Join(out, name, file)); err != nil || info.Size() == 0 {
			t.Errorf("the archive has no %s: %v", file, err)
		}
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = out
	if said, err := check.CombinedOutput(); err != nil || strings.Count(string(said), ": OK") != 2 {
		t.Errorf("sha256sum --check: %v: %s", err, said)
	}
	var list struct {
		BOMFormat  string
		Components []struct{ Name, Version, PURL string }
	}
	data, err := os.ReadFile(filepath.Join(out, name+".cdx.json"))
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil || list.BOMFormat != "CycloneDX" {
		t.Fatalf("the list of parts has format %q, %v", list.BOMFormat, err)
	}
	versions := map[string]string{}
	for _, c := range list.Components {
		versions[c.Name] = c.Version
	}
	for _, module := range []string{"connectrpc.com/connect/v2", "google.golang.org/grpc", "google.golang.org/protobuf"} {
		cmd := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module)
		cmd.Dir = filepath.Join("..", "..") // the main module
		want, err := cmd.Output()
		if err != nil || versions[module] != strings.TrimSpace(string(want)) {
			t.Errorf("%s is listed as %q, want %q (%v)", module, versions[module], want, err)
		}
	}
	if versions["std"] != runtime.Version() {
		t.Errorf("std is listed as %q, want %q", versions["std"], runtime.Version())
	}
}

func TestWrongArguments(t *testing.T) {
	for want, args := range map[string][]string{
		"v1.2.3":      {"--version", "1.2"},
		"linux/amd64": {"--version", "v1.2.3", "--only", "plan9/mips"},
	} {
		if err := run(context.Background(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want what would be right, such as %s", args, err, want)
		}
	}
}
