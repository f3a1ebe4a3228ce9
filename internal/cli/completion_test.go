package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script is sourced by a bash that has read no other file, and asks a stand-in for kv.
func TestBashCompletesWithoutThePackage(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "completion")
	if err := os.WriteFile(script, []byte(kv(t, nil, "", "completion", "bash").out), 0o600); err != nil {
		t.Fatal(err)
	}
	standIn := "#!/bin/sh\nprintf '%s|' \"$@\" >asked\nprintf 'user:1\\nuser:22\\n:4\\n'\n"
	if err := os.WriteFile(filepath.Join(dir, "kv"), []byte(standIn), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ line, words, want, asked string }{
		{"kv get user", "kv get user", "user:1\nuser:22\n", "__complete|get|user|"},
		{"kv get user:", "kv get user :", "1\n22\n", "__complete|get|user:|"},
		{"kv get  user:2", "kv get user : 2", "22\n", "__complete|get|user:2|"},
		{"kv get --url=http://h:1 user:2", "kv get --url = http : //h : 1 user : 2", "22\n", "__complete|get|--url=http://h:1|user:2|"},
	} {
		c := exec.CommandContext(t.Context(), bash, "--norc", "--noprofile", "-c", `source ./completion
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDS=($2) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
__start_kv; printf '%s\n' "${COMPREPLY[@]}"`, "bash", test.line, test.words)
		c.Dir, c.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := c.Output()
		got := strings.ReplaceAll(string(out), " \n", "\n")
		asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
		if err != nil || got != test.want || string(asked) != test.asked {
			t.Errorf("bash completes %q with %q, %v, having asked %q; want %q and %q", test.line, got, err, asked, test.want, test.asked)
		}
	}
}
