package e2e_test

import (
	"io"
	"strconv"
	"strings"
	"testing"
)

// typed runs a command on a terminal, into which input is typed, and returns what the terminal shows.
func typed(t *testing.T, env []string, command, input string) string {
	t.Helper()
	c := onPTY(t, env, command)
	c.Stdin = strings.NewReader(input)
	return strings.ReplaceAll(ran(t, c).Out, "\r\n", "\n")
}

// countKeys returns how many keys the store has.
func countKeys(t *testing.T, env []string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(client(t, env, "", "del", "--all", "--dry-run").Out))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// On a terminal, kv del --prefix counts and asks, and shows how far it is.
func TestATerminalIsAskedBeforeAPrefixIsDeleted(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	if got := client(t, env, strings.Join(transferLines()[:1500], ""), "import"); got.Code != 0 {
		t.Fatalf("kv import = %+v", got)
	}
	client(t, env, "", "set", "tmp/a b", "1")
	client(t, env, "", "set", "tmp/\u202e", "2")
	client(t, env, "", "set", "tmp", "3")
	question := `kv: delete 2 keys with the prefix "tmp/" from ` + d.url + `? [y/N] `
	for _, test := range []struct {
		command, input, shows, ends string
		left                        int
	}{
		{"kv del --prefix tmp/ --dry-run", "", `would delete 2 keys with the prefix "tmp/"`, "code 0", 1500 + 3},
		{"kv del --prefix tmp/", "\n", question, "kv: nothing was deleted\ncode 1", 1500 + 3},
		{"kv del --prefix tmp/", "n\n", question, "kv: nothing was deleted\ncode 1", 1500 + 3},
		{"kv del --prefix tmp/", "\x04", question, "\nkv: nothing was deleted\ncode 1", 1500 + 3},
		{"kv del --prefix tmp/ </dev/null", "y\n", "there is no terminal to ask on", "code 2", 1500 + 3},
		{"kv del --prefix tmp/ 2>/dev/null", "y\n", "", "code 2", 1500 + 3},
		{"kv del --all", "n\n", "kv: delete all 1,503 keys from " + d.url, "kv: nothing was deleted\ncode 1", 1500 + 3},
		{"kv del --prefix tmp/", "y\n", question, "kv: 2 keys deleted\ncode 0", 1500 + 1},
		{"kv del --prefix tmp/", "", "", "kv: 0 keys deleted\ncode 0", 1500 + 1},
		{"kv del --all --yes", "", "%  1,000 entries deleted, ", " keys deleted\ncode 0", 0},
	} {
		got := typed(t, env, test.command+"; echo code $?", test.input)
		if !strings.Contains(got, test.shows) || !strings.HasSuffix(got, test.ends+"\n") {
			t.Errorf("%s, with %q typed, shows %q; want %q and at its end %q", test.command, test.input, got, test.shows, test.ends)
		}
		if left := countKeys(t, env); left != test.left {
			t.Errorf("%s, with %q typed, left %d keys, want %d", test.command, test.input, left, test.left)
		}
	}
}

// At the question, ^C is an answer too.
func TestTheQuestionBeforeADeletionIsInterrupted(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	client(t, env, "", "set", "tmp/a", "1")
	p := launchCommand(t, onPTY(t, env, "kv del --prefix tmp/"))
	p.prints(t, `(\[y/N\] )`)
	if _, err := io.WriteString(p.Stdin, "\x03"); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != 130 || !strings.HasSuffix(p.Out.String(), "\r\nkv: interrupted\r\n") {
		t.Errorf("after ^C, kv del ended with code %d and %q; want 130", code, p.Out)
	}
	if left := countKeys(t, env); left != 1 {
		t.Errorf("after ^C, %d keys are left, want 1", left)
	}
}
