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

// endMark is what a terminal prints after each command, followed by its exit code.
const endMark = "--- exit code: "

// terminal is a shell in which commands are typed one by one. What they write to standard error is seen there too.
type terminal struct {
	*process
	seen int // how much of Out belongs to commands that are done
	code int // the exit code of the latest
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	term := &terminal{process: launch(t, quiet(t), "bash")}
	fmt.Fprintln(term.Stdin, "exec 2>&1; shopt -s expand_aliases") // as a shell that somebody types into has it
	return term
}

// quiet are variables that keep curl from showing its progress, as it does not on a terminal.
func quiet(t *testing.T) []string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"CURL_HOME=" + dir}
}

// run types command and returns what it prints.
func (term *terminal) run(t *testing.T, command string) string {
	t.Helper()
	// The command is not to read what is typed after it, and finds the exit code of the one before in $?.
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

// ended returns what the command has printed and its exit code, if it is done.
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

// run types lines one after the other, as a reader would, and compares what they print. A line may fail if the next one
// asks for its exit code.
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

// leftRunning is a command in a terminal of its own, and what it prints in the end.
type leftRunning struct {
	line
	*process
}

// leave starts a command that does not come back. It waits until a server listens, or until anything else has printed
// the first line that says something of what it prints.
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

// want checks that the command has printed what it says, and gives it the time it takes.
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
