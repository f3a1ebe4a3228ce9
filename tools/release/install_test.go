package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// installation runs install.sh of a release.
type installation struct {
	built
	shell []string
	env   []string
	args  []string
}

// in runs the script with an empty home, and returns what it says and its error.
func (i installation) in(t *testing.T, home string) (string, error) {
	t.Helper()
	words := append(append(i.shell[1:], filepath.Join(i.out, "install.sh")), i.args...)
	cmd := exec.Command(i.shell[0], words...)
	cmd.Env = append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, i.env...)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// shells are those that run the script. Package dash is what sh is on Debian and Ubuntu.
var shells = [][]string{{"sh"}, {"dash"}, {"bash"}, {"bash", "--posix"}}

func TestTheScriptInstallsTheRelease(t *testing.T) {
	built := whole(t)
	server := httptest.NewServer(http.FileServer(http.Dir(built.out)))
	defer server.Close()
	for _, shell := range shells {
		t.Run(strings.Join(shell, " "), func(t *testing.T) {
			needs(t, shell[0])
			home := t.TempDir()
			dir := filepath.Join(home, "a directory", "bin")
			i := installation{built, shell, []string{"KV_INSTALL_URL=" + server.URL}, []string{"--dir", dir}}
			for range 2 { // the second time it replaces a file
				said, err := i.in(t, home)
				if want := "kv " + version + " is installed as " + dir + "/kv\n"; err != nil || !strings.HasPrefix(said, want) {
					t.Fatalf("%v: %s; want %s", err, said, want)
				}
			}
			if said, err := exec.Command(filepath.Join(dir, "kv"), "version").Output(); err != nil || !strings.HasPrefix(string(said), "kv "+version+" ") {
				t.Errorf("kv version = %q, %v", said, err)
			}
			onlyKV(t, dir)
		})
	}
}

// onlyKV fails the test unless a directory has the file kv and no other.
func onlyKV(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "kv" {
		t.Errorf("%s has %v, %v; want only kv", dir, entries, err)
	}
}

// The URL in the script of a release without --url is that of its directory.
func TestTheScriptHasTheURLOfTheRelease(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".local", "bin")
	i := installation{built: whole(t), shell: []string{"sh"}, args: []string{"--dir=" + dir}}
	if said, err := i.in(t, home); err != nil || !strings.Contains(said, dir+" is not in PATH") {
		t.Errorf("%v: %s", err, said)
	}
	i.env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	if said, err := i.in(t, home); err != nil || strings.Contains(said, "PATH") {
		t.Errorf("%v: %s", err, said)
	}
	onlyKV(t, dir)
}

// TestTheScriptInstallsIntoTheHomeOfUsers pretends not to be root, as it may be.
func TestTheScriptInstallsIntoTheHomeOfUsers(t *testing.T) {
	home := t.TempDir()
	i := installation{built: whole(t), shell: []string{"sh"}, env: []string{"PATH=" + fake(t, "id", "echo 1000")}}
	if said, err := i.in(t, home); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	onlyKV(t, filepath.Join(home, ".local", "bin"))
}

// fake returns a PATH on which a program is a script.
func fake(t *testing.T, program, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir + ":" + os.Getenv("PATH")
}

// without returns a PATH that has what the script needs, except some programs.
func without(t *testing.T, programs string) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{
		"sh", "uname", "id", "mktemp", "tar", "gzip", "cp", "mv", "rm", "mkdir", "chmod", "curl", "wget", "sha256sum", "shasum", "openssl",
	} {
		file, err := exec.LookPath(program)
		if err != nil || strings.Contains(" "+programs+" ", " "+program+" ") {
			continue
		}
		if err := os.Symlink(file, filepath.Join(dir, program)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheScriptChecksWithAnyTool(t *testing.T) {
	for _, missing := range []string{"shasum openssl", "sha256sum openssl", "sha256sum shasum", "curl"} {
		t.Run("without "+missing, func(t *testing.T) {
			for _, program := range []string{"sha256sum", "shasum", "openssl", "wget"} {
				if !strings.Contains(missing, program) && (program == "wget") == (missing == "curl") {
					needs(t, program)
				}
			}
			built, home := whole(t), t.TempDir()
			server := httptest.NewServer(http.FileServer(http.Dir(built.out)))
			defer server.Close()
			i := installation{
				built, []string{"sh"}, []string{"KV_INSTALL_URL=" + server.URL, "PATH=" + without(t, missing)}, []string{"--dir", home},
			}
			if said, err := i.in(t, home); err != nil {
				t.Errorf("%v: %s", err, said)
			}
			onlyKV(t, home)
		})
	}
}

// TestTheScriptRefuses runs the script where it must install nothing and leave a kv that is there as it is.
func TestTheScriptRefuses(t *testing.T) {
	built := whole(t)
	archive, err := os.ReadFile(filepath.Join(built.out, built.name+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	tampered := append([]byte(nil), archive...)
	tampered[len(tampered)/2] ^= 1
	files := http.NewServeMux()
	files.Handle("/whole/", http.StripPrefix("/whole/", http.FileServer(http.Dir(built.out))))
	files.HandleFunc("/tampered/", func(w http.ResponseWriter, _ *http.Request) { w.Write(tampered) })
	files.HandleFunc("/cut/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		w.Write(archive[:len(archive)/2])
	})
	files.HandleFunc("/short/", func(w http.ResponseWriter, _ *http.Request) { w.Write(archive[:len(archive)/2]) })
	files.HandleFunc("/page/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>log in</html>") })
	server := httptest.NewServer(files)
	defer server.Close()
	closed := httptest.NewServer(files)
	closed.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url string
		env, args []string
		want      string
	}{
		{"a tampered archive", server.URL + "/tampered", nil, nil, "has the wrong checksum, so nothing was installed"},
		{"a download that was cut off", server.URL + "/cut", nil, nil, "cannot download " + server.URL + "/cut/kv_"},
		{"half an archive", server.URL + "/short", nil, nil, "has the wrong checksum, so nothing was installed"},
		{"a page in place of an archive", server.URL + "/page", nil, nil, "has the wrong checksum, so nothing was installed"},
		{"no such file", server.URL + "/none", nil, nil, "cannot download " + server.URL + "/none/kv_"},
		{"no server", closed.URL, nil, nil, "cannot download " + closed.URL + "/kv_"},
		{"an unknown architecture", server.URL + "/whole", []string{"PATH=" + fake(t, "uname", `[ "$1" = -s ] && echo Linux || echo riscv64`)}, nil, "kv is not released for riscv64 processors"},
		{"an unknown system", server.URL + "/whole", []string{"PATH=" + fake(t, "uname", `[ "$1" = -s ] && echo SunOS || echo x86_64`)}, nil, "kv is not released for SunOS"},
		{"a system without an archive", server.URL + "/whole", []string{"PATH=" + fake(t, "uname", `[ "$1" = -s ] && echo Linux || echo `+other[built.arch])}, nil, "is not released for linux on "},
		{"no tool for checksums", server.URL + "/whole", []string{"PATH=" + without(t, "sha256sum shasum openssl")}, nil, "install sha256sum, shasum or openssl"},
		{"no tool for downloads", server.URL + "/whole", []string{"PATH=" + without(t, "curl wget")}, nil, "neither curl nor wget is installed"},
		{"a file in place of the directory", server.URL + "/whole", nil, []string{"--dir", file}, "cannot make the directory " + file},
		{"an unknown argument", server.URL + "/whole", nil, []string{"--directory", "a"}, `unknown argument "--directory"; usage: `},
		{"no directory", server.URL + "/whole", nil, []string{"--dir"}, "--dir needs a directory; usage: "},
	} {
		for _, shell := range shells[1:3] {
			t.Run(c.name+" in "+shell[0], func(t *testing.T) {
				needs(t, shell[0])
				home := t.TempDir()
				kv := filepath.Join(home, "kv")
				if err := os.WriteFile(kv, []byte("before"), 0o755); err != nil {
					t.Fatal(err)
				}
				// An archive for the processor that is pretended exists under no name, so that only the message can be right.
				path, err := exec.LookPath(shell[0])
				if err != nil {
					t.Fatal(err)
				}
				args := c.args
				if args == nil {
					args = []string{"--dir", home}
				}
				i := installation{built, []string{path}, append([]string{"KV_INSTALL_URL=" + c.url, "TMPDIR=" + t.TempDir()}, c.env...), args}
				said, err := i.in(t, home)
				if last := said[strings.LastIndex(strings.TrimSpace(said), "\n")+1:]; err == nil || !strings.HasPrefix(last, "install.sh: ") || !strings.Contains(last, c.want) {
					t.Errorf("%v: %s; want %q", err, said, c.want)
				}
				onlyKV(t, home)
				if text, err := os.ReadFile(kv); string(text) != "before" || err != nil {
					t.Errorf("kv was changed: %v", err)
				}
			})
		}
	}
}

// other is an architecture, as uname names it, that a release for only one has not.
var other = map[string]string{"amd64": "aarch64", "arm64": "x86_64"}

func TestTheScriptIsCutOffSafely(t *testing.T) {
	built := whole(t)
	text, err := os.ReadFile(filepath.Join(built.out, "install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSpace(string(text)), "\n")
	half := built
	half.out = t.TempDir()
	if err := os.WriteFile(filepath.Join(half.out, "install.sh"), []byte(strings.Join(lines[:len(lines)-1], "")), 0o644); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if said, err := (installation{built: half, shell: []string{"sh"}, args: []string{"--dir", home}}).in(t, home); err != nil || said != "" {
		t.Errorf("%v: %s", err, said)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
		t.Errorf("a script without its last line has installed %v, %v", entries, err)
	}
}

func TestShellcheckFindsNothingInTheScript(t *testing.T) {
	needs(t, "shellcheck")
	if said, err := exec.Command("shellcheck", "install.sh").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
