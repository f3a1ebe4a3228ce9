package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestTheGuideInstalls runs the commands of the guide that download files, but those for other programs, against the release.
func TestTheGuideInstalls(t *testing.T) {
	for _, program := range []string{"curl", "jq", "sha256sum"} {
		needs(t, program)
	}
	if runtime.GOOS != "linux" {
		t.Skip("NOT RUN: the guide downloads files for Linux")
	}
	built := whole(t)
	text, err := os.ReadFile("../../docs/guides/install.md")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(built.out)))
	defer server.Close()
	here := strings.NewReplacer("https://github.com/you/key-value/releases/download/v1.2.3", server.URL,
		"kv_v1.2.3_linux_amd64", "kv_"+version+"_"+runtime.GOOS+"_"+runtime.GOARCH)
	home, ran := t.TempDir(), 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(block[1], "/releases/download/") || regexp.MustCompile("(?m)^(brew|docker) ").MatchString(block[1]) {
			continue
		}
		cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", here.Replace(block[1]))
		cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home, "PATH="+fake(t, "id", "echo 1000"))
		said, err := cmd.CombinedOutput()
		if err != nil || len(said) == 0 {
			t.Errorf("%s\n%v: %s", block[1], err, said)
		}
		ran++
	}
	if ran < 4 {
		t.Errorf("%d blocks of the guide were run, want at least 4", ran)
	}
	if _, err := os.Stat(filepath.Join(home, "bin", "kv")); err != nil {
		t.Errorf("the guide has installed no kv: %v", err)
	}
}
