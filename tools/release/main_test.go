package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// version is that of the release that tests look at.
const version = "v9.8.7-test"

// built is a release for the system of the test.
type built struct {
	out  string // its directory
	arch string // GOARCH
	name string // of the archive, without its suffix
}

var (
	building   sync.Once
	theRelease built
	errBuilt   error
)

// TestMain removes the release that the tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	if theRelease.out != "" {
		os.RemoveAll(theRelease.out)
	}
	os.Exit(code)
}

// whole returns a release for the system of the test, which it builds once.
func whole(t *testing.T) built {
	t.Helper()
	building.Do(func() {
		b := built{arch: runtime.GOARCH, name: "kv_" + version + "_" + runtime.GOOS + "_" + runtime.GOARCH}
		if b.out, errBuilt = os.MkdirTemp("", "release-test-"); errBuilt == nil {
			args := []string{"--version", version, "--out", b.out, "--only", runtime.GOOS + "/" + runtime.GOARCH}
			errBuilt = run(context.Background(), args, io.Discard)
		}
		theRelease = b
	})
	if errBuilt != nil {
		t.Fatal(errBuilt)
	}
	return theRelease
}

// sbom is a list of parts, as far as tests read it.
type sbom struct {
	BOMFormat  string
	Metadata   struct{ Component struct{ PURL string } }
	Components []struct{ Name, Version string }
}

func (s sbom) versions() map[string]string {
	versions := map[string]string{} // :: name of a part → version
	for _, c := range s.Components {
		versions[c.Name] = c.Version
	}
	return versions
}

func read(t *testing.T, file string, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err = errors.Join(err, json.Unmarshal(data, v)); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// filesOf returns the headers of a tar and closes it.
func filesOf(t *testing.T, r io.ReadCloser) iter.Seq[*tar.Header] {
	return func(yield func(*tar.Header) bool) {
		t.Helper()
		defer r.Close()
		for files := tar.NewReader(r); ; {
			header, err := files.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !yield(header) {
				return
			}
		}
	}
}

// TestRelease builds a release for this system and looks at the archive, checksums and list of parts.
func TestRelease(t *testing.T) {
	built := whole(t)
	dir := t.TempDir()
	unpack := exec.Command("tar", "-xzf", filepath.Join(built.out, built.name+".tar.gz"), "-C", dir)
	if said, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	said, err := exec.Command(filepath.Join(dir, built.name, "kv"), "version").Output()
	if err != nil || !strings.HasPrefix(string(said), "kv "+version+" ") {
		t.Errorf("kv version = %q, %v", said, err)
	}
	// Where a template is executed, the linker keeps every method of every type, which makes the binary half as large again.
	if text, err := os.ReadFile(filepath.Join(dir, built.name, "kv")); err != nil || bytes.Contains(text, []byte("text/template.(*state).evalField")) {
		t.Errorf("the binary can execute templates (%v): find out who calls text/template, and avoid it", err)
	}
	for _, file := range []string{"LICENSE", "man/kv.1", "man/kv-serve.1", "completions/kv.bash", "completions/_kv", "completions/kv.fish"} {
		if info, err := os.Stat(filepath.Join(dir, built.name, file)); err != nil || info.Size() == 0 {
			t.Errorf("the archive has no %s: %v", file, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(built.out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = built.out
	if said, err := check.CombinedOutput(); err != nil || strings.Count(string(said), ": OK") != len(files)-1 {
		t.Errorf("sha256sum --check: %v: %s, for %v", err, said, files)
	}
	var list sbom
	read(t, filepath.Join(built.out, built.name+".cdx.json"), &list)
	if list.BOMFormat != "CycloneDX" {
		t.Fatalf("the list of parts has format %q", list.BOMFormat)
	}
	versions := list.versions()
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

// TestTheSameBinaryIsPackedToTheSameBytes packs a binary twice, into archives of both kinds and into an image.
func TestTheSameBinaryIsPackedToTheSameBytes(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string][]string{} // :: file → checksums
	for range 2 {
		r := &release{version: version, date: time.Unix(1e9, 0), root: "../..", work: t.TempDir(), out: t.TempDir()}
		extras, err := r.writeExtras(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, platform := range []string{"linux/amd64", "windows/amd64"} {
			if _, err := r.writeArchive(platform, binary, extras); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.writeImage("linux/amd64", binary); err != nil {
			t.Fatal(err)
		}
		for _, file := range r.files {
			sum, err := checksum(file)
			if err != nil {
				t.Fatal(err)
			}
			sums[filepath.Base(file)] = append(sums[filepath.Base(file)], sum)
		}
	}
	for file, sums := range sums {
		if len(sums) != 2 || sums[0] != sums[1] {
			t.Errorf("%s has the checksums %v", file, sums)
		}
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

// TestTheVersionIsTheTagOfTheCommit makes a repository with two commits, of which the first has a tag.
func TestTheVersionIsTheTagOfTheCommit(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)
		if said, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, said)
		}
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "one")
	git("tag", "v1.2.3")
	if got, err := tag(t.Context(), dir); got != "v1.2.3" || err != nil {
		t.Errorf("tag = %q, %v; want v1.2.3", got, err)
	}
	git("commit", "-q", "--allow-empty", "-m", "two")
	if _, err := tag(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "--version") {
		t.Errorf("a commit without a tag: %v; want a hint of --version", err)
	}
}

var address = regexp.MustCompile(`url "(.*)"\n +sha256 "(.*)"`)

func TestTheFormulaNamesTheArchives(t *testing.T) {
	r := &release{version: "v9.8.7", url: "https://example.com/you/key-value/releases/download/v9.8.7", out: t.TempDir()}
	var archives []archive
	for _, platform := range platforms {
		system, arch, _ := strings.Cut(platform, "/")
		name := "kv_v9.8.7_" + system + "_" + arch + ".tar.gz"
		archives = append(archives, archive{system, arch, name, r.url + "/" + name, "sum of " + platform})
	}
	if err := r.writeInstallers(archives); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.out, "kv.rb")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, match := range address.FindAllStringSubmatch(string(text), -1) {
		got = append(got, match[1]+" "+match[2])
	}
	var want []string
	for _, a := range archives[:4] { // without Windows
		want = append(want, a.URL+" "+a.Sum)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the formula has %q, want %q", got, want)
	}
	needs(t, "ruby")
	// What Homebrew would read and do, by a class that answers as its own does.
	said, err := exec.Command("ruby", "-W:no-deprecated", "testdata/formula.rb", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for i, platform := range platforms[:4] {
		if line := platform + " " + want[i] + "\n"; !strings.Contains(string(said), line) {
			t.Errorf("Homebrew would not read %q: %s", line, said)
		}
	}
	if want := "9.8.7 https://example.com/you/key-value Apache-2.0\n"; !strings.Contains(string(said), want) {
		t.Errorf("Homebrew would not read %q: %s", want, said)
	}
}

// TestTheFormulaInstallsTheArchive checks the checksum, and that all files that the formula installs are in the archive.
func TestTheFormulaInstallsTheArchive(t *testing.T) {
	built := whole(t)
	text, err := os.ReadFile(filepath.Join(built.out, "kv.rb"))
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(built.out, built.name+".tar.gz")
	sum, err := checksum(archive)
	if err != nil {
		t.Fatal(err)
	}
	match := address.FindStringSubmatch(string(text))
	if match == nil || match[1] != "file://"+archive || match[2] != sum {
		t.Errorf("the formula has %q, want file://%s and %s", match, archive, sum)
	}
	needs(t, "ruby")
	dir := t.TempDir()
	// Homebrew unpacks an archive, goes to its only directory, and installs from there.
	if said, err := exec.Command("tar", "-xzf", archive, "--strip-components", "1", "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	said, err := exec.Command("ruby", "-W:no-deprecated", "testdata/formula.rb", filepath.Join(built.out, "kv.rb"), dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, want := range []string{"bin kv\n", "man1 kv.1\n", "man1 kv-serve.1\n", "bash_completion kv\n", "zsh_completion _kv\n", "fish_completion kv.fish\n"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("the formula does not install %q: %s", want, said)
		}
	}
}

// needs skips a test if a program is not installed, and fails it if KV_REQUIRE_RELEASE_TOOLS is set, as in CI.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("KV_REQUIRE_RELEASE_TOOLS") != "" {
		t.Fatalf("%s is not installed, and KV_REQUIRE_RELEASE_TOOLS is set", program)
	}
	t.Skipf("NOT CHECKED: %s is not installed", program)
}
