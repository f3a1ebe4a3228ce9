package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"key-value/client"
)

func newRoot(version string, std streams, getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:   "kv",
		Short: "A key-value store in memory, for anything that speaks HTTP",
		Long: `A key-value store in memory, for anything that speaks HTTP.

A flag whose help names a variable of the environment can be set by it; a flag wins.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such key, 4 refused (API key), 5 unavailable,
6 a condition did not hold, 130 interrupted.`,
		Example: `  KV_API_KEY=my-secret-key kv serve
  KV_API_KEY=my-secret-key kv set hello world
  KV_API_KEY=my-secret-key kv get hello`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	add(root, "To run the store:", "servers", newServe(getenv), newKVService(getenv), newGateway(getenv))
	add(root, "To use it:", clientCommands,
		newGet(getenv), newSet(getenv), newDel(getenv), newLs(getenv), newTouch(getenv), newIncr(getenv),
		newWatch(getenv), newBatch(getenv), newStats(getenv), newImport(getenv), newExport(getenv), newBench(getenv))
	add(root, "Besides:", "others", newKeys(getenv), newHealthcheck(), newVersion(), newMan())
	for _, cmd := range root.Commands() {
		readEnvironment(cmd, getenv)
	}
	root.SetHelpCommandGroupID("others")
	root.SetCompletionCommandGroupID("others")
	return root
}

// noSuchCommand refuses the name of a command that there is not.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	instead := "kv help lists the commands"
	if like := root.SuggestionsFor(args[0]); len(like) != 0 {
		instead = "did you mean kv " + oneOf(like) + "?"
	}
	return usageError{fmt.Errorf("there is no command %q: %s", args[0], instead)}
}

// clientCommands is the group of the commands that call the store.
const clientCommands = "clients"

// add adds commands under a title of their own in the help.
func add(root *cobra.Command, title, group string, cmds ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: group, Title: title})
	for _, cmd := range cmds {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// readEnvironment lets the variable KV_NAME stand for the setting --name of cmd, and says so in its help.
func readEnvironment(cmd *cobra.Command, getenv func(string) string) {
	var settings []*pflag.Flag
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if isSetting(cmd, f) {
			f.Usage += " [" + variable(f) + "]"
			settings = append(settings, f)
		}
	})
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, got []string) error {
			if err := args(cmd, got); err != nil {
				return usageError{fmt.Errorf("%w: use %s (kv help %s says more)", err, cmd.UseLine(), cmd.Name())}
			}
			return nil
		}
	}
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		var errs []error
		for _, f := range settings {
			value := getenv(variable(f))
			if f.Changed || value == "" {
				continue
			}
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", variable(f), err))
			}
		}
		return asUsage(errors.Join(errs...))
	}
}

// isSetting reports whether f can be the same for many calls of cmd. What a single call is to do is said on its
// command line alone: a variable that somebody forgot must not make every write a conditional one.
func isSetting(cmd *cobra.Command, f *pflag.Flag) bool {
	return cmd.GroupID != clientCommands || slices.Contains(connectionFlags, f.Name)
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
	case usage:
		return 2
	case errors.Is(err, context.Canceled):
		return 130 // as of a process that SIGINT ended
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

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  kv version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "kv %s (%s, %s/%s)\n", cmd.Root().Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write manual pages into a directory",
		Long:    "Write a manual page for each command into DIR, which must exist.",
		Example: "  mkdir -p /usr/local/share/man/man1 && kv man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "kv " + root.Version, Manual: "kv"}, args[0])
		},
	}
}
