package cli

import (
	"context"
	"fmt"
	"io"
	"os"
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
