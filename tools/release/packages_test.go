package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestPackagesAreReproducible makes the packages of one binary twice, as two machines would.
func TestPackagesAreReproducible(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kv")
	if err := os.WriteFile(binary, bytes.Repeat([]byte("a program of some length\n"), 100_000), 0o755); err != nil {
		t.Fatal(err)
	}
	pack := func(modified time.Time) map[string][]byte {
		r, err := begin(t.Context(), "v1.2.3", t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(r.work)
		extras, err := r.writeExtras(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(binary, modified, modified); err != nil {
			t.Fatal(err)
		}
		made := map[string][]byte{} // :: file name → contents
		for _, arch := range []string{"amd64", "arm64"} {
			if err := r.packages("linux/"+arch, binary, extras); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range r.files {
			if made[filepath.Base(file)], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
		return made
	}
	first, second := pack(time.Unix(1e9, 0)), pack(time.Unix(2e9, 0))
	for _, name := range []string{
		"key-value_1.2.3_amd64.deb", "key-value_1.2.3_arm64.deb", "key-value-1.2.3-1.x86_64.rpm", "key-value-1.2.3-1.aarch64.rpm",
	} {
		if len(first[name]) == 0 || !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s has %d bytes, then %d: want the same bytes", name, len(first[name]), len(second[name]))
		}
	}
	if len(first) != 4 {
		t.Errorf("there are %d packages, want 4", len(first))
	}
}

func TestShellcheckFindsNothingInTheScriptsOfPackages(t *testing.T) {
	needs(t, "shellcheck")
	scripts, err := filepath.Glob("../../deploy/packages/*.sh")
	if err != nil || len(scripts) != 3 {
		t.Fatalf("the scripts are %v, %v; want three", scripts, err)
	}
	if said, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
