package e2e_test

import (
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// piped is a client command at both of whose ends the test is.
type piped struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	err    *output
}

func startPiped(t *testing.T, env []string, args ...string) *piped {
	t.Helper()
	p := &piped{cmd: exec.CommandContext(beforeDeadline(t), kv, args...), err: newOutput()}
	p.cmd.Env, p.cmd.Stderr = environment(env), p.err
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

func (p *piped) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		t.Fatalf("%v\n%s", err, p.err)
	}
}

// end sends a signal, and returns the exit code when the process has ended.
func (p *piped) end(t *testing.T, signal syscall.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return p.wait(t)
}

func (p *piped) wait(t *testing.T) int {
	t.Helper()
	stop := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait() // its verdict stays in ProcessState
	if !stop.Stop() {
		t.Errorf("%s did not end within %v", p.cmd, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *piped) readLine(t *testing.T) string {
	t.Helper()
	var line strings.Builder
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := p.stdout.Read(b); err != nil {
			t.Fatalf("%q, and then %v\n%s", line.String(), err, p.err)
		}
		line.Write(b)
	}
	return line.String()
}

func TestAWatchEndsCleanlyAndGoesOn(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			env := []string{"KV_URL=" + d.start(t).url, "KV_API_KEY=" + apiKey}
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				w := startPiped(t, env, "watch", "a")
				if line := w.readLine(t); line != "sync\n" {
					t.Errorf("the watch begins with %q", line)
				}
				client(t, env, "", "set", "a", "1")
				if line := w.readLine(t); line != "put     a  \"1\"\n" {
					t.Errorf("the watch told %q of the change", line)
				}
				if code := w.end(t, signal); code != 0 {
					t.Errorf("after %v the watch ended with code %d, want 0", signal, code)
				}
				token := regexp.MustCompile(`kv watch a --resume (\S+)\n`).FindStringSubmatch(w.err.String())
				if token == nil {
					t.Fatalf("the watch said %q", w.err)
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

// A command that waits for its input ends at the first ^C.
func TestAWaitingCommandIsInterrupted(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	for _, args := range [][]string{{"set", "a"}, {"batch"}, {"import"}} {
		p := startPiped(t, env, args...)
		if args[0] == "batch" { // whose answer shows that it waits again
			p.write(t, `{"get":{"key":"a"}}`+"\n")
			p.readLine(t)
		} else { // which is listening to signals when it has taken more than a pipe holds
			p.write(t, strings.Repeat("\n", 1<<18))
		}
		if code := p.end(t, syscall.SIGINT); code != 130 {
			t.Errorf("kv %v ended with code %d after ^C, want 130\n%s", args, code, p.err)
		}
	}
	if got := client(t, env, "", "get", "a"); got.code != 3 {
		t.Errorf("an interrupted set left %+v", got)
	}
}

func TestAReaderThatHasSeenEnoughEndsAListing(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	if got := client(t, env, strings.Join(transferLines(), ""), "import"); got.code != 0 {
		t.Fatalf("kv import = %+v", got)
	}
	p := startPiped(t, env, "ls")
	p.readLine(t)
	p.stdout.Close()
	if p.wait(t); p.err.String() != "" {
		t.Errorf("kv ls whose reader left said %s", p.err)
	}
}

// script runs a command on a terminal, and returns what is seen there.
func script(t *testing.T, env []string, command string) string {
	t.Helper()
	path, err := exec.LookPath("script")
	if err != nil {
		t.Skip("script, which makes a terminal, is not installed")
	}
	cmd := exec.CommandContext(beforeDeadline(t), path, "--quiet", "--return", "--command", command, "/dev/null")
	cmd.Env = environment(append(env, "SHELL=/bin/sh"))
	out, _ := cmd.Output() // the exit code is the command's
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

func TestATerminalGetsNoBytes(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	client(t, env, "plain\ttext", "set", "text")
	for name, value := range map[string]string{"bytes": "\xff\x00", "escape": "\x1b[31mred"} {
		client(t, env, value, "set", name)
		if got := script(t, env, "kv get "+name+"; echo code $?"); !strings.Contains(got, "kv get "+name+" > FILE") || !strings.HasSuffix(got, "code 1\n") || strings.Contains(got, value) {
			t.Errorf("a terminal shows %q for %q", got, value)
		}
		if got := script(t, env, "kv get "+name+" > /dev/null; echo code $?"); got != "code 0\n" {
			t.Errorf("kv get > /dev/null at a terminal = %q", got)
		}
	}
	if got := script(t, env, "kv get text; echo code $?"); got != "plain\ttext\ncode 0\n" {
		t.Errorf("a terminal shows %q", got)
	}
}

func TestATerminalShowsProgress(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	if got := client(t, env, strings.Join(transferLines(), ""), "import"); got.code != 0 || strings.Contains(got.err, "\r") {
		t.Fatalf("kv import without a terminal = %+v", got)
	}
	if got := script(t, env, "kv export > /dev/null"); !regexp.MustCompile(`\r[\d,]+ entries exported, [\d,]+/s`).MatchString(got) {
		t.Errorf("a terminal shows %q during an export", got)
	}
}
