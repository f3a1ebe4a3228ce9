package e2e_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"key-value/internal/testkit/proc"
)

// liveScreen is kv top on a terminal of its own.
type liveScreen struct {
	*process
	device, settings string // of the terminal, before kv top
	pid              int    // of kv top
}

// showTop runs kv top on a terminal of 80 by 24 cells.
func showTop(t *testing.T, env []string) *liveScreen {
	t.Helper()
	s := &liveScreen{process: launchCommand(t, onPTY(t, env, `stty cols 80 rows 24; tty; echo settings $(stty -g)
		sh -c 'echo pid $$; exec kv top --interval 100ms'; echo code $?; echo settings $(stty -g)`))}
	s.device = s.await(t, `(/dev/\S+)`)
	s.settings = s.await(t, `settings (\S+)`)
	pid, err := strconv.Atoi(s.await(t, `pid (\d+)`))
	if err != nil {
		t.Fatal(err)
	}
	s.pid = pid
	s.await(t, `(REQUEST ID)`)
	return s
}

// await waits until the terminal gets what matches pattern, and returns its group.
func (s *liveScreen) await(t *testing.T, pattern string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandPatience)
	defer cancel()
	match, err := s.WaitFor(ctx, s.Out, pattern)
	if err != nil {
		t.Fatalf("%v\nthe terminal got %q", err, s.Out)
	}
	return match
}

// frame returns the lines of the latest whole screen, without highlighting.
func (s *liveScreen) frame() []string {
	frames := strings.Split(s.Out.String(), "\x1b[H")
	text := regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]").ReplaceAllString(frames[len(frames)-2], "")
	return strings.Split(text, "\r\n")
}

// left checks that kv top ends with code, and that the terminal is as it was.
func (s *liveScreen) left(t *testing.T, code int) {
	t.Helper()
	s.await(t, fmt.Sprintf(`(?s)code %d\r.*?(settings )`, code))
	s.wait(t)
	out := s.Out.String()
	_, after, _ := strings.Cut(out, fmt.Sprintf("code %d\r", code))
	if !strings.Contains(after, "settings "+s.settings+"\r") {
		t.Errorf("after kv top the terminal has the settings %q, want %s", after, s.settings)
	}
	for _, pair := range [][2]string{{"\x1b[?1049h", "\x1b[?1049l"}, {"\x1b[?25l", "\x1b[?25h"}, {"\x1b[?7l", "\x1b[?7h"}} {
		if strings.Count(out, pair[0]) != 1 || strings.LastIndex(out, pair[1]) < strings.LastIndex(out, "\x1b[H") {
			t.Errorf("the terminal gets %q and not %q after the last screen", pair[0], pair[1])
		}
	}
}

func TestTopOnATerminal(t *testing.T) {
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey, "LC_ALL=C.UTF-8", "TERM=xterm"}
	client(t, env, "x", "set", hostile)
	for range 3 {
		client(t, env, "", "get", hostile)
	}
	t.Run("q", func(t *testing.T) {
		s := showTop(t, env)
		s.await(t, `(?s)READS/S.*?(`+regexp.QuoteMeta(`$'a\u202eb`)+`).*?WRITES/S.*MEMORY.*SLOWEST`)
		s.fits(t, 80, 24)
		for _, size := range [][2]int{{40, 12}, {200, 50}, {10, 3}, {80, 24}} {
			ran(t, proc.Command{Path: "stty", Args: []string{"-F", s.device, "cols", fmt.Sprint(size[0]), "rows", fmt.Sprint(size[1])}})
			s.fits(t, size[0], size[1])
		}
		fmt.Fprint(s.Stdin, "x\x1b[A") // mean nothing
		client(t, env, "y", "set", "later")
		s.await(t, `WRITES/S[^W]*  (later)`)
		fmt.Fprint(s.Stdin, "q")
		s.left(t, 0)
		if i := strings.IndexFunc(strings.ReplaceAll(s.Out.String(), "\x1b[", ""), func(r rune) bool { return r != '\n' && r != '\r' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("the terminal gets characters that it does not show: %q", s.Out)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		s := showTop(t, env)
		fmt.Fprint(s.Stdin, "\x03")
		s.left(t, 130)
	})
	t.Run("SIGTERM", func(t *testing.T) {
		s := showTop(t, env)
		if err := syscall.Kill(s.pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s.left(t, 130)
	})
	t.Run("no highlighting with NO_COLOR", func(t *testing.T) {
		s := showTop(t, append(env, "NO_COLOR=1"))
		fmt.Fprint(s.Stdin, "q")
		s.left(t, 0)
		if regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(s.Out.String()) {
			t.Errorf("the terminal gets %q", s.Out)
		}
	})
	t.Run("a dumb terminal", func(t *testing.T) {
		if got := script(t, append(env, "TERM=dumb"), "kv top; echo code $?"); !strings.HasSuffix(got, "add --once\ncode 2\n") {
			t.Errorf("kv top shows %q", got)
		}
	})
	t.Run("--once", func(t *testing.T) {
		got := script(t, env, "stty cols 40 rows 24; kv top --once")
		if strings.Contains(got, "\x1b") || !strings.Contains(got, "SLOWEST") {
			t.Errorf("kv top --once shows %q", got)
		}
		for line := range strings.Lines(got) {
			if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 40 {
				t.Errorf("kv top --once shows a line that is too long for 40 cells: %q", line)
			}
		}
	})
	t.Run("the store goes away and comes back", func(t *testing.T) {
		store := start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", "127.0.0.1:0")
		away := append(env, "KV_URL=http://"+store.Addr)
		client(t, away, "x", "set", "a")
		s := showTop(t, away)
		if err := store.Kill(); err != nil {
			t.Fatal(err)
		}
		s.await(t, `q: quit  (cannot connect)`)
		start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", store.Addr)
		end := time.Now().Add(commandPatience)
		for !strings.Contains(s.frame()[0], "rates over") {
			if time.Now().After(end) {
				t.Fatalf("the screen shows %q", s.frame())
			}
			time.Sleep(10 * time.Millisecond)
		}
		fmt.Fprint(s.Stdin, "q")
		s.left(t, 0)
	})
}

// fits waits for a screen that fits a terminal of this size.
func (s *liveScreen) fits(t *testing.T, width, height int) {
	t.Helper()
	for end := time.Now().Add(commandPatience); ; time.Sleep(10 * time.Millisecond) {
		lines, longest := s.frame(), 0
		for _, line := range lines {
			longest = max(longest, utf8.RuneCountInString(line))
		}
		if longest == width && len(lines) <= height && len(lines) > height-4 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the screen has %d lines of up to %d cells, want %d of %d: %q", len(lines), longest, height, width, lines)
		}
	}
}
