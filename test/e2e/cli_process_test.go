package e2e_test

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"key-value/internal/testkit/proc"
)

// piped is a client command with pipes at both ends.
type piped struct {
	*process
	stdout *os.File
}

func startPiped(t *testing.T, env []string, args ...string) *piped {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	c := proc.KV(kv, env, args...)
	c.Stdout = w
	return &piped{launchCommand(t, c), r}
}

func (p *piped) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p.Stdin, text); err != nil {
		t.Fatalf("%v\n%s", err, p.Log)
	}
}

func (p *piped) readLine(t *testing.T) string {
	t.Helper()
	var line strings.Builder
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := p.stdout.Read(b); err != nil {
			t.Fatalf("%q, then %v\n%s", line.String(), err, p.Log)
		}
		line.Write(b)
	}
	return line.String()
}

func TestAWatchEndsCleanlyAndResumes(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			env := []string{"KV_URL=" + d.start(t).url, "KV_API_KEY=" + apiKey}
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				w := startPiped(t, env, "watch", "a", "--sync")
				if line := w.readLine(t); line != "sync\n" {
					t.Errorf("the watch begins with %q", line)
				}
				client(t, env, "", "set", "a", "1")
				if line := w.readLine(t); line != "put     a  \"1\"\n" {
					t.Errorf("the watch printed %q for the change", line)
				}
				if code := w.end(t, signal); code != 130 {
					t.Errorf("after %v the watch ended with code %d, want 130", signal, code)
				}
				token := regexp.MustCompile(`kv watch a --resume (\S+)\n`).FindStringSubmatch(w.Log.String())
				if token == nil {
					t.Fatalf("the watch wrote %q", w.Log)
				}
				client(t, env, "", "set", "a", "2")
				w = startPiped(t, env, "watch", "a", "--resume", token[1])
				if line := w.readLine(t); line != "put     a  \"2\"\n" {
					t.Errorf("the resumed watch begins with %q", line)
				}
				w.end(t, signal)
			}
		})
	}
}

// A command that waits for input ends at the first ^C.
func TestAWaitingCommandIsInterrupted(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	for _, args := range [][]string{{"set", "a"}, {"batch"}, {"import"}} {
		p := startPiped(t, env, args...)
		if args[0] == "batch" { // whose answer shows that it waits for more
			p.write(t, `{"get":{"key":"a"}}`+"\n")
			p.readLine(t)
		} else { // which handles signals once it has read more than a pipe holds
			p.write(t, strings.Repeat("\n", 1<<18))
		}
		if code := p.end(t, syscall.SIGINT); code != 130 {
			t.Errorf("kv %v ended with code %d after ^C, want 130\n%s", args, code, p.Log)
		}
	}
	if got := client(t, env, "", "get", "a"); got.Code != 3 {
		t.Errorf("after an interrupted set, get = %+v", got)
	}
}

func TestAListingEndsWhenItsReaderLeaves(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	if got := client(t, env, strings.Join(transferLines(), ""), "import"); got.Code != 0 {
		t.Fatalf("kv import = %+v", got)
	}
	p := startPiped(t, env, "ls")
	p.readLine(t)
	p.stdout.Close()
	if p.wait(t); p.Log.String() != "" {
		t.Errorf("kv ls wrote %s when its reader left", p.Log)
	}
}

// A watch whose reader has left ends at once, with nothing to print and no error.
func TestAWatchEndsWhenItsReaderLeaves(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	client(t, env, "", "set", "a", "1")
	for _, args := range [][]string{{"watch", "a", "--snapshot"}, {"watch", "a", "--snapshot", "--", "printenv", "KV_EVENT_KEY"}} {
		p := startPiped(t, env, args...)
		p.readLine(t)
		p.stdout.Close()
		if p.wait(t); p.Log.String() != "" {
			t.Errorf("kv %v wrote %s when its reader left", args, p.Log)
		}
	}
	got := ran(t, proc.Command{Path: "bash", Args: []string{"-c", "kv watch a --snapshot | head -1"}, Env: env})
	if got.Code != 0 || got.Out != "put     a  \"1\"\n" || got.Err != "" {
		t.Errorf("kv watch a --snapshot | head -1 = %+v", got)
	}
}

// A command that a watch runs ends with it.
func TestAnInterruptedWatchEndsItsCommand(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	client(t, env, "", "set", "a", "1")
	p := startPiped(t, env, "watch", "a", "--snapshot", "--", "sh", "-c", `trap 'echo ended; exit' TERM; echo begun; while :; do sleep 0.1; done`)
	p.readLine(t)
	if err := syscall.Kill(p.Pid(), syscall.SIGINT); err != nil { // kv alone
		t.Fatal(err)
	}
	if line := p.readLine(t); line != "ended\n" {
		t.Errorf("the command printed %q after ^C, want that it ended", line)
	}
	if code := p.wait(t); code != 130 {
		t.Errorf("after ^C the watch ended with code %d, want 130", code)
	}
}

// script runs a command on a terminal, and returns what the terminal shows.
func script(t *testing.T, env []string, command string) string {
	t.Helper()
	return strings.ReplaceAll(ran(t, onPTY(t, env, command)).Out, "\r\n", "\n")
}

// onPTY returns the command that runs a command of the shell on a terminal of its own.
func onPTY(t *testing.T, env []string, command string) proc.Command {
	t.Helper()
	path, err := exec.LookPath("script")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("script of util-linux, which makes a terminal, is not installed")
	}
	return proc.Command{
		Path: path, Args: []string{"--quiet", "--return", "--command", command, "/dev/null"}, Env: append(env, "SHELL=/bin/sh"),
	}
}

func TestATerminalGetsNoBinaryValues(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	note := "kv: invisible characters are shown as escapes; to get them as they are: kv get a > FILE\n"
	for value, want := range map[string]string{
		"\xff\x00":                        "kv: the value is binary (2 bytes): write it to a file with kv get a > FILE, or print it as base64 with kv get a -o json\ncode 1\n",
		"plain\ttext, \u00e4\r\nand more": "plain\ttext, \u00e4\r\nand more\ncode 0\n",
		"\x1b[31mred":                     "\\x1b[31mred\n" + note + "code 0\n",
		"hidden\rshown":                   "hidden\\rshown\n" + note + "code 0\n",
		"\u202e\u2067\u2028\u200b\u009b\U000e0041": `\u202e\u2067\u2028\u200b\u009b\U000e0041` + "\n" + note + "code 0\n",
	} {
		client(t, env, value, "set", "a")
		if got := script(t, env, "kv get a; echo code $?"); got != want {
			t.Errorf("a terminal shows %q for %q, want %q", got, value, want)
		}
		if got := script(t, env, "kv get a > /dev/null; echo code $?"); got != "code 0\n" {
			t.Errorf("kv get > /dev/null at a terminal = %q", got)
		}
		if got := client(t, env, "", "get", "a"); got.Out != value {
			t.Errorf("a pipe gets %q, want %q", got.Out, value)
		}
	}
}

func TestATerminalShowsProgress(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	if got := client(t, env, strings.Join(transferLines(), ""), "import"); got.Code != 0 || strings.Contains(got.Err, "\r") {
		t.Fatalf("kv import without a terminal = %+v", got)
	}
	if got := script(t, env, "kv export > /dev/null"); !regexp.MustCompile(`\r[\d,]+ entr(y|ies) exported, [\d,]+/s`).MatchString(got) {
		t.Errorf("a terminal shows %q during an export", got)
	}
}
