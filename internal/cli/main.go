// Package cli implements the kv command: the servers, clients of the store, and tools around both.
//
// [Main] runs the command line of the process. Commands are built by newX functions, take their input and output
// from cobra and the environment from a getenv function, and return errors: only Main and run touch the process.
package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/client/lock"
	"key-value/internal/hop"
)

// Main runs the command line of this process and returns its exit code. Version is what kv version prints.
func Main(version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a clean stop. It also restores the default handling, so that a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	return run(ctx, version, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv)
}

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, version string, args []string, std streams, getenv func(string) string) int {
	std.out, std.err = onTerminal(std.out), onTerminal(std.err)
	root := newRoot(version, std, getenv)
	addCompletion(root)
	addHelp(root)
	helpFailed := checkHelp(root)
	root.SetArgs(negativeNumber(root, args))
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = cmp.Or(helpAsArgument(cmd), helpFailed())
	}
	if err != nil {
		note(std.err, "%s%s", sentence(err), hint(cmd, err, getenv))
	}
	return exitCode(err)
}

// hint returns what to do about the error of a call, as far as only the command line knows it. It names only flags that
// cmd has.
func hint(cmd *cobra.Command, err error, getenv func(string) string) string {
	has := func(flag string) bool { return cmd.Flags().Lookup(flag) != nil }
	switch name := cmd.Annotations[keyOfContext]; {
	case errors.Is(err, client.ErrUnauthenticated) && name != "":
		return fmt.Sprintf("; the server does not accept the key of the context %s", name)
	case errors.Is(err, client.ErrUnauthenticated) && getenv("KV_API_KEY") == "":
		return "; set KV_API_KEY to an API key"
	case errors.Is(err, client.ErrUnauthenticated):
		return "; the server does not accept the key in KV_API_KEY"
	case errors.Is(err, syscall.ECONNREFUSED) && has("url"):
		return "; start the store with kv serve, or set --url or KV_URL to its address"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok && has("ca") {
		return "; if you trust the authority that signed it, pass its certificate with --ca or KV_CA"
	}
	// How a server that requires TLS rejects plaintext depends on how far the call got.
	if errors.Is(err, hop.ErrRejectsPlain) || strings.Contains(err.Error(), "client conn could not be established") {
		return "; if the server requires TLS, use https://"
	}
	if has("url") && isForeign(err) {
		return "; is there a kv store at " + cmd.Flag("url").Value.String() + "?"
	}
	return ""
}

// isForeign reports whether err is the answer of another program than a store, all of whose errors have a reason.
func isForeign(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Reason != "" {
		return false
	}
	switch e.Code {
	case connect.CodeUnimplemented, connect.CodeUnknown, connect.CodeInternal, connect.CodePermissionDenied, connect.CodeUnauthenticated:
		return true
	}
	return strings.Contains(e.Message, errNotHTTP)
}

// errNotHTTP is what Go's package for HTTP/2 says of an answer that has none.
const errNotHTTP = "http2: frame too large"

// usageError is the error of an invalid command line.
type usageError struct{ error }

// Unwrap returns what is wrong with the command line.
func (u usageError) Unwrap() error { return u.error }

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// exitCode returns the exit code for err. The help of kv lists all of them.
func exitCode(err error) int {
	_, usage := errors.AsType[usageError](err)
	command, ran := errors.AsType[commandError](err)
	found, doctored := errors.AsType[findingsError](err)
	switch {
	case err == nil:
		return 0
	case usage:
		return 2
	case ran:
		return command.code
	case doctored && found.errors == 0:
		return 7
	case errors.Is(err, lock.ErrHeld), errors.Is(err, lock.ErrLost):
		return 6
	case errors.Is(err, context.Canceled):
		return 130 // as if SIGINT had ended the process
	case errors.Is(err, client.ErrNotFound):
		return 3
	case errors.Is(err, client.ErrUnauthenticated), errors.Is(err, client.ErrPermissionDenied):
		return 4
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, client.ErrOverloaded):
		return 5
	case errors.Is(err, client.ErrETagMismatch), errors.Is(err, client.ErrExists), errors.Is(err, client.ErrAbsent):
		return 6
	}
	return 1
}
