package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// isTerminal reports whether stream is a terminal.
func isTerminal(stream any) bool {
	switch stream := stream.(type) {
	case *terminal:
		return true
	case *os.File:
		return term.IsTerminal(int(stream.Fd()))
	}
	return false
}

// unescaped returns the stream behind out for another program, which may control the terminal.
func unescaped(out io.Writer) io.Writer {
	if t, ok := out.(*terminal); ok {
		return t.Writer
	}
	return out
}

// note prints a message for people to log, the standard error of a command.
func note(log io.Writer, format string, args ...any) {
	fmt.Fprintf(log, "kv: %s\n", escapeLines(fmt.Sprintf(format, args...)))
}

// promptFor asks for input if standard input is a terminal.
func promptFor(cmd *cobra.Command, what string) {
	if isTerminal(cmd.InOrStdin()) {
		note(cmd.ErrOrStderr(), "enter %s; end with Ctrl-D on an empty line", what)
	}
}

// stdin returns the standard input of cmd, whose reads fail once the command is interrupted. Reads of the real one
// cannot be canceled.
func stdin(cmd *cobra.Command) io.ReadCloser {
	in, write := io.Pipe()
	context.AfterFunc(cmd.Context(), func() { write.CloseWithError(interruption{cmd.Context().Err()}) })
	go func() {
		_, err := io.Copy(write, cmd.InOrStdin())
		write.CloseWithError(err)
	}()
	return in
}

// interruption is the error of a command that was interrupted.
type interruption struct{ error }

func (interruption) Error() string { return "interrupted" }

// Unwrap returns the error of the canceled context.
func (i interruption) Unwrap() error { return i.error }

// progress shows the progress of a long command on a terminal. Elsewhere it prints nothing.
type progress struct {
	terminal io.Writer // nil if there is none
	verb     string    // what happens to entries, such as "exported"
	bytes    int64     // total size of the work; zero if not known
	started  time.Time
	shown    time.Time // when the line was last written
	width    int       // of the longest line written
}

func newProgress(stderr io.Writer, verb string, bytes int64) *progress {
	p := &progress{verb: verb, bytes: bytes, started: time.Now()}
	if t, ok := stderr.(*terminal); ok {
		p.terminal = t.Writer // which obeys the carriage returns of a progress line, all of whose text is ours
	}
	return p
}

// show shows the number of entries and bytes done so far. It is cheap to call often.
func (p *progress) show(entries, bytes int64) {
	const pause = 200 * time.Millisecond
	if p.terminal == nil || time.Since(p.shown) < pause {
		return
	}
	p.shown = time.Now()
	rate := float64(entries) / p.shown.Sub(p.started).Seconds()
	p.write(fmt.Sprintf("%s%s %s, %s/s", p.bar(bytes), entriesOf(entries), p.verb, readable(int64(rate))))
}

// bar returns a progress bar and the percentage of bytes done, or "" if the total is not known.
func (p *progress) bar(bytes int64) string {
	const width = 30
	if p.bytes == 0 {
		return ""
	}
	part := min(1, float64(bytes)/float64(p.bytes))
	full := int(part * width)
	return fmt.Sprintf("[%s%s] %3.0f%%  ", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*part)
}

// clear removes the progress line.
func (p *progress) clear() {
	if p.width > 0 {
		p.write("")
		fmt.Fprint(p.terminal, "\r")
		p.width = 0
	}
}

// write replaces the progress line, padded with spaces, which works on every terminal.
func (p *progress) write(text string) {
	fmt.Fprintf(p.terminal, "\r%-*s", p.width, text)
	p.width = max(p.width, len(text))
}
