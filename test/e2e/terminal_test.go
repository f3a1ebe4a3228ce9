package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// commandPatience is how long one command of a document may take.
const commandPatience = 2 * time.Minute

// endMark precedes the exit code, which the terminal prints after each command.
const endMark = "--- exit code: "

// terminal is a shell into which commands are typed one by one. It also shows what they write to standard error.
type terminal struct {
	*process
	seen int // how much of Out belongs to earlier commands
	code int // the exit code of the last command
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	term := &terminal{process: launch(t, quiet(t), "bash")}
	fmt.Fprintln(term.Stdin, "exec 2>&1; shopt -s expand_aliases") // as in an interactive shell
	return term
}

// quiet returns variables that keep curl from showing progress, which it does not show on a terminal.
func quiet(t *testing.T) []string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"CURL_HOME=" + dir}
}

// run types command and returns its output.
func (term *terminal) run(t *testing.T, command string) string {
	t.Helper()
	// The command must not read what is typed after it, and finds the exit code of the previous one in $?.
	fmt.Fprintf(term.Stdin, "(exit %d)\n{ %s\n} </dev/null\nprintf '\\n%s%%d\\n' $?\n", term.code, command, endMark)
	timeout := time.After(commandPatience)
	for {
		changed := term.Out.Changed()
		if printed, code, ok := term.ended(); ok {
			term.code = code
			return printed
		}
		select {
		case <-changed:
		case <-term.Exited():
			t.Fatalf("%s: the shell has ended\n%s", command, term.Out.String()[term.seen:])
		case <-timeout:
			t.Fatalf("%s: not done within %v\n%s", command, commandPatience, term.Out.String()[term.seen:])
		}
	}
}

// ended returns the output of the command and its exit code, once it is done.
func (term *terminal) ended() (printed string, code int, ok bool) {
	printed, rest, _ := strings.Cut(term.Out.String()[term.seen:], "\n"+endMark)
	word, _, ok := strings.Cut(rest, "\n")
	if !ok {
		return "", 0, false
	}
	term.seen += len(printed) + len("\n"+endMark) + len(word) + len("\n")
	code, err := strconv.Atoi(word)
	return printed, code, err == nil
}

// run types the lines one after the other, as a reader would, and compares their output. A line may fail if the next
// one prints its exit code.
func (d document) run(t *testing.T, skip ...string) {
	t.Helper()
	term := openTerminal(t)
	var left []leftRunning
	var lines []line
	for _, line := range d.lines {
		if !slices.Contains(skip, line.command) {
			lines = append(lines, line)
		}
	}
	for i, line := range lines {
		if line.running {
			left = append(left, leave(t, line))
			continue
		}
		printed := term.run(t, line.command)
		mayFail := i+1 < len(lines) && lines[i+1].command == "echo $?"
		if !alike(line.output, printed) || term.code != 0 && !mayFail {
			t.Errorf("%s: %s\nexit code %d\ngot:\n%s\nwant:\n%s", line.place, line.command, term.code, printed, line.output)
		}
	}
	for _, l := range left {
		l.want(t)
	}
}

// leftRunning is a command in a terminal of its own, and its documented output.
type leftRunning struct {
	line
	*process
}

// leave starts a command that does not return. It waits until a server listens, or until another command has printed
// its first documented line.
func leave(t *testing.T, l line) leftRunning {
	t.Helper()
	if l.output == "" {
		return leftRunning{l, startCommand(t, nil, "bash", "-c", l.command)}
	}
	left := leftRunning{l, launch(t, quiet(t), "bash", "-c", "exec 2>&1\n"+l.command)}
	lines := strings.Split(l.output, "\n")
	said := slices.IndexFunc(lines, func(text string) bool { return text != "…" })
	left.awaits(t, strings.Join(lines[:said+1], "\n"))
	return left
}

// want waits until the command has printed its documented output.
func (l leftRunning) want(t *testing.T) {
	t.Helper()
	if l.output != "" {
		l.awaits(t, l.output)
	}
}

func (l leftRunning) awaits(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(commandPatience)
	for {
		changed := l.Out.Changed()
		if beginsAlike(want, l.Out.String()) {
			return
		}
		select {
		case <-changed:
		case <-l.Exited():
			t.Fatalf("%s: %s\nhas ended", l.place, l.command)
		case <-timeout:
			t.Fatalf("%s: %s\ngot:\n%s\nwant:\n%s", l.place, l.command, l.Out, want)
		}
	}
}
