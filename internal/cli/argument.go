package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Keys and values come from anywhere, such as the variables of a script, and may look like flags. What follows keeps such
// an argument from becoming a flag without a word.

// writesAnnotation marks the commands that change entries.
const writesAnnotation = "writes"

// writing marks cmd as a command that changes entries. It is never suggested for a mistyped one, and -h among its
// arguments is an error: its caller may have meant a value.
func writing(cmd *cobra.Command) {
	cmd.Annotations = map[string]string{writesAnnotation: "true"}
}

func writes(cmd *cobra.Command) bool { return cmd.Annotations[writesAnnotation] != "" }

// flagError returns the usage error for an argument of cmd that is read as a flag and is invalid.
func flagError(cmd *cobra.Command, err error) error {
	_, value := errors.AsType[*pflag.InvalidValueError](err)
	_, arguments, ok := strings.Cut(cmd.Use, " ")
	arguments, _, _ = strings.Cut(arguments, " | ") // what follows is another use
	arguments, _, _ = strings.Cut(arguments, " --") // what follows is a flag
	if !ok || value && !writes(cmd) {
		return usageError{err}
	}
	return usageError{fmt.Errorf("%w; an argument that begins with a dash goes after --: %s [flags] -- %s", err, cmd.CommandPath(), arguments)}
}

// helpAsArgument returns the usage error for -h or --help beside arguments of a command that changes entries.
func helpAsArgument(cmd *cobra.Command) error {
	if !writes(cmd) || cmd.Flags().NArg() == 0 || !cmd.Flags().Changed("help") {
		return nil
	}
	return flagError(cmd, fmt.Errorf("nothing was changed: -h and --help are flags; for help, run kv help %s", cmd.Name()))
}

var negative = regexp.MustCompile(`^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$`)

// negativeNumber moves a negative number that is the second argument of kv set or kv incr after "--", because pflag would
// parse it as a flag.
func negativeNumber(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd.Name() != "set" && cmd.Name() != "incr" {
		return args
	}
	n := 0 // arguments seen
	for i := 1; i < len(args) && args[i] != "--"; i++ {
		switch {
		case n == 1 && negative.MatchString(args[i]):
			rest := append(args[:i:i], args[i+1:]...)
			return append(rest, "--", args[i])
		case takesValue(cmd, args[i]):
			i++
		case args[i] == "-" || !strings.HasPrefix(args[i], "-"):
			n++
		}
	}
	return args
}

// takesValue reports whether arg is a flag of cmd whose value is the next argument.
func takesValue(cmd *cobra.Command, arg string) bool {
	var f *pflag.Flag
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		f = cmd.Flag(name)
	} else if len(arg) == 2 && arg[0] == '-' {
		f = cmd.Flags().ShorthandLookup(arg[1:])
	}
	return f != nil && f.NoOptDefVal == ""
}
