package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// isTerminal reports whether stream is one that a person reads or types at.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// isText reports whether a terminal shows value, and does not act on it.
func isText(value []byte) bool {
	for _, r := range string(value) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return utf8.Valid(value)
}

// promptFor tells who sits at a terminal that they are waited for.
func promptFor(cmd *cobra.Command, what string) {
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintf(cmd.ErrOrStderr(), "kv: type %s; ^D at the start of a line ends it\n", what)
	}
}

// stdin is the standard input of cmd until the command is interrupted: a read that waits cannot be broken off.
func stdin(cmd *cobra.Command) io.ReadCloser {
	in, write := io.Pipe()
	context.AfterFunc(cmd.Context(), func() { write.CloseWithError(interruption{cmd.Context().Err()}) })
	go func() {
		_, err := io.Copy(write, cmd.InOrStdin())
		write.CloseWithError(err)
	}()
	return in
}

// interruption is why a command ends that was told to.
type interruption struct{ error }

func (interruption) Error() string { return "interrupted" }

// Unwrap returns the error of the context.
func (i interruption) Unwrap() error { return i.error }

// progress shows on a terminal how far a long command is. Elsewhere it is silent.
type progress struct {
	terminal io.Writer // nil: none
	verb     string    // what is done, such as "exported"
	bytes    int64     // of all that there is to do; zero if that is not known
	started  time.Time
	shown    time.Time
	width    int // of what is shown
}

func newProgress(stderr io.Writer, verb string, bytes int64) *progress {
	p := &progress{verb: verb, bytes: bytes, started: time.Now()}
	if isTerminal(stderr) {
		p.terminal = stderr
	}
	return p
}

// show tells that so many entries and bytes are done. It is cheap to call often.
func (p *progress) show(entries, bytes int64) {
	const pause = 200 * time.Millisecond
	if p.terminal == nil || time.Since(p.shown) < pause {
		return
	}
	p.shown = time.Now()
	rate := float64(entries) / p.shown.Sub(p.started).Seconds()
	p.write(fmt.Sprintf("%s%s entries %s, %s/s", p.bar(bytes), readable(entries), p.verb, readable(int64(rate))))
}

// bar shows the part of the bytes that is done, if that is known.
func (p *progress) bar(bytes int64) string {
	const width = 30
	if p.bytes == 0 {
		return ""
	}
	part := min(1, float64(bytes)/float64(p.bytes))
	full := int(part * width)
	return fmt.Sprintf("[%s%s] %3.0f%%  ", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*part)
}

// clear removes what is shown.
func (p *progress) clear() {
	if p.width > 0 {
		p.write("")
		fmt.Fprint(p.terminal, "\r")
		p.width = 0
	}
}

// write replaces what is shown. Blanks need no kind of terminal.
func (p *progress) write(text string) {
	fmt.Fprintf(p.terminal, "\r%-*s", p.width, text)
	p.width = max(p.width, len(text))
}
