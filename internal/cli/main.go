// Package cli holds the commands of kv, one file each: the two services, alone or in one process, and a client of them.
package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"key-value/client"
)

// Main carries out the command line of this process and returns its exit code. Version is what kv version prints.
func Main(version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a clean stop. From then on signals act as they do by default, so that a
	// second one ends the process at once.
	context.AfterFunc(ctx, stop)
	return run(ctx, version, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv)
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, version string, args []string, std streams, getenv func(string) string) int {
	root := newRoot(version, std, getenv)
	root.SetArgs(negativeDelta(args))
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(std.err, "kv: %v%s\n", err, advice(err, getenv))
	}
	return exitCode(err)
}

// advice is what the error of a call does not say, because only the command line knows it.
func advice(err error, getenv func(string) string) string {
	switch {
	case errors.Is(err, client.ErrUnauthenticated) && getenv("KV_API_KEY") == "":
		return "; set the variable KV_API_KEY to the API key"
	case errors.Is(err, client.ErrUnauthenticated):
		return "; the one in the variable KV_API_KEY is not valid here"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nothing listens there: start the store (kv serve), or say where it is with --url or KV_URL"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "; name the authority that signed for it with --ca or KV_CA, if you trust that"
	}
	// Which of the two depends on how far the call came.
	if s := err.Error(); strings.Contains(s, "looked like an HTTP/1.1 header") || strings.Contains(s, "client conn could not be established") {
		return "; it may speak TLS there: try https"
	}
	return ""
}
