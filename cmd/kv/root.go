package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"key-value/client"
)

func newRoot(std streams, getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:   "kv",
		Short: "A key-value store in memory, for anything that speaks HTTP",
		Long: `A key-value store in memory, for anything that speaks HTTP.

Every flag can be set by the variable of the environment that its help names; a flag wins.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such key, 4 refused (API key), 5 unavailable,
6 a condition did not hold.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newServe(getenv), newKVService(getenv), newGateway(getenv),
		newGet(getenv), newSet(getenv), newDel(getenv),
		newHealthcheck(), newVersion(),
	)
	for _, cmd := range root.Commands() {
		readEnvironment(cmd, getenv)
	}
	return root
}

// readEnvironment lets the variable KV_NAME stand for the flag --name of cmd, and says so in its help.
func readEnvironment(cmd *cobra.Command, getenv func(string) string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage += " [" + variable(f) + "]" })
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, got []string) error { return asUsage(args(cmd, got)) }
	}
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		var errs []error
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			value := getenv(variable(f))
			if f.Changed || value == "" {
				return
			}
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", variable(f), err))
			}
		})
		return asUsage(errors.Join(errs...))
	}
}

func variable(f *pflag.Flag) string {
	return "KV_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// exitCode tells scripts what went wrong.
func exitCode(err error) int {
	_, usage := errors.AsType[usageError](err)
	switch {
	case err == nil:
		return 0
	case usage, strings.HasPrefix(err.Error(), "unknown command"):
		return 2
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
