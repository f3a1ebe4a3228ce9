package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Command returns the tree of all commands, for tools that document it.
func Command(version string) *cobra.Command {
	return newRoot(version, streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv)
}

func newRoot(version string, std streams, getenv func(string) string) *cobra.Command {
	var printVersion bool
	root := &cobra.Command{
		Use:   "kv",
		Short: "An in-memory key-value store and its client",
		Long: `An in-memory key-value store for REST, Connect, gRPC and gRPC-Web, and its
client.

Flags followed by a variable in brackets can also be set in the environment. A
flag on the command line takes precedence.

Exit codes:

    0    success
    1    failure
    2    invalid usage
    3    key not found
    4    API key missing, invalid or without permission
    5    store unavailable or overloaded
    6    condition not met; a lock is held, or was lost
    7    kv doctor has warnings, but no errors
    130  interrupted`,
		Example: `  KV_API_KEY=my-secret-key kv serve
  KV_API_KEY=my-secret-key kv set hello world
  KV_API_KEY=my-secret-key kv get hello`,
		Annotations:   map[string]string{versionKey: version},
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printVersion {
				return writeVersion(cmd)
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVarP(&printVersion, "version", "v", false, "print the version")
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(printUsage)
	add(root, "Server commands:", "servers", newServe(getenv), newKVService(getenv), newGateway(getenv))
	add(root, "Client commands:", clientCommands,
		newGet(getenv), newSet(getenv), newDel(getenv), newLs(getenv), newExists(getenv), newTTL(getenv),
		newCp(getenv), newMv(getenv), newEdit(getenv), newTouch(getenv), newIncr(getenv),
		newWatch(getenv), newLock(getenv), newElect(getenv), newBatch(getenv), newStats(getenv), newTop(getenv), newDoctor(getenv), newCaller(getenv),
		newTicket(getenv),
		newImport(getenv), newExport(getenv), newBackup(getenv), newBench(getenv))
	add(root, "Commands for data directories:", dataCommands, newRestore(), newCheck())
	add(root, "Other commands:", "others", newKeys(getenv), newContext(getenv), newHealthcheck(getenv), newVersion(), newMan())
	for _, cmd := range root.Commands() {
		readEnvironment(cmd, getenv)
	}
	root.SetHelpCommandGroupID("others")
	root.SetCompletionCommandGroupID("others")
	return root
}

// unknownCommand rejects the name of a command that does not exist, with suggestions.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	instead := "run kv help for a list"
	if like := suggestions(root, args[0]); len(like) != 0 {
		instead = "did you mean kv " + oneOf(like) + "?"
	}
	return usageError{fmt.Errorf("unknown command %q: %s", args[0], instead)}
}

// helpOrUnknown runs a command that only has subcommands: it prints help, unless a subcommand is named that does not exist.
func helpOrUnknown(cmd *cobra.Command, args []string) error {
	if len(args) != 0 {
		return usageError{fmt.Errorf("unknown command %q: run kv help %s for a list", cmd.Name()+" "+args[0], cmd.Name())}
	}
	return cmd.Help()
}

// checkHelp makes root print no help that helpAsArgument replaces by an error. Failed returns why help was not written,
// which cobra ignores.
func checkHelp(root *cobra.Command) (failed func() error) {
	var failure error
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if helpAsArgument(cmd) != nil {
			return
		}
		out, text := cmd.OutOrStdout(), &bytes.Buffer{}
		cmd.SetOut(text)
		help(cmd, args)
		cmd.SetOut(out)
		_, failure = out.Write(text.Bytes())
	})
	return func() error { return failure }
}

// addHelp adds cobra's command for help to root, which does not say that a command does not exist.
func addHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.RunE = func(_ *cobra.Command, args []string) error {
		cmd, rest, err := root.Find(args)
		if err != nil {
			return asUsage(err)
		}
		if cmd == root {
			if err := unknownCommand(root, rest); err != nil {
				return err
			}
		}
		cmd.InitDefaultHelpFlag() // which help lists
		return cmd.Help()
	}
}

// suggestions returns the commands that name is most like. If one of them changes entries, there are none: what was mistyped
// may have been to read them, and what is less like it was not meant.
func suggestions(root *cobra.Command, name string) []string {
	for distance := 0; distance <= min(2, len(name)-1); distance++ {
		root.SuggestionsMinimumDistance = distance
		like := root.SuggestionsFor(name)
		if slices.ContainsFunc(like, func(like string) bool {
			cmd, _, err := root.Find([]string{like})
			return err != nil || writes(cmd)
		}) {
			return nil
		}
		if len(like) != 0 {
			return like
		}
	}
	return nil
}

// clientCommands is the group of the commands that call the store.
const clientCommands = "clients"

// dataCommands is the group of the commands that read or write a data directory which no server uses.
const dataCommands = "data"

// add adds cmds to root as a group with its own title in the help.
func add(root *cobra.Command, title, group string, cmds ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: group, Title: title})
	for _, cmd := range cmds {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// readEnvironment makes the variable KV_NAME set the flag --name of cmd if --name itself is not given, for each flag
// that is a setting, and names the variable in the flag's help.
func readEnvironment(cmd *cobra.Command, getenv func(string) string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if isSetting(cmd, f) {
			nameVariable(f, "KV_"+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")))
		}
	})
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, got []string) error {
			if err := args(cmd, got); err != nil {
				return usageError{fmt.Errorf("%w: want %s; see kv help %s", err, cmd.UseLine(), strings.TrimPrefix(cmd.CommandPath(), "kv "))}
			}
			return nil
		}
	}
	if cmd.PreRunE == nil {
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return readVariables(cmd, getenv) }
	}
}

// readVariables sets the flags of cmd that are not set from their variables.
func readVariables(cmd *cobra.Command, getenv func(string) string) error {
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		variable := Variable(f)
		if variable == "" || f.Changed || getenv(variable) == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, getenv(variable)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", variable, err))
		}
	})
	return asUsage(errors.Join(errs...))
}

// isSetting reports whether f has a variable: whether its value may hold for many calls of cmd. What one call of a
// client does is set on its command line alone, so that a forgotten variable cannot make every write conditional.
func isSetting(cmd *cobra.Command, f *pflag.Flag) bool {
	switch cmd.GroupID {
	case clientCommands:
		return isConnectionFlag(f.Name)
	case dataCommands:
		return f.Name == dataDirFlag
	}
	return true
}

// variableAnnotation is the annotation of a flag that holds the name of its variable.
const variableAnnotation = "variable"

func nameVariable(f *pflag.Flag, variable string) {
	f.Annotations = map[string][]string{variableAnnotation: {variable}}
	f.Usage += " [" + variable + "]"
}

// Variable returns the name of the environment variable for f, or "" if f is not read from the environment. The usage
// of f ends with the name in brackets.
func Variable(f *pflag.Flag) string {
	if names := f.Annotations[variableAnnotation]; len(names) != 0 {
		return names[0]
	}
	return ""
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version of kv, of the Go release it was built with, and the platform.",
		Example: "  kv version",
		Args:    cobra.ExactArgs(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return writeVersion(cmd) },
	}
}

// versionKey is the annotation of the root command with the version. Cobra would print one that it knows of in its own way.
const versionKey = "version"

// version returns the version of the program of which cmd is a command.
func version(cmd *cobra.Command) string { return cmd.Root().Annotations[versionKey] }

// writeVersion describes the program.
func writeVersion(cmd *cobra.Command) error {
	about := fmt.Sprintf("kv %s (%s, %s/%s)", version(cmd), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return printLine(cmd.OutOrStdout(), about)
}
