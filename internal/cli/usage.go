package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// printUsage prints how cmd is used: commands, examples, subcommands and flags. It prints what cobra's template for usage
// would, in 80 columns. A template calls methods by name, so one template makes the linker keep all methods of all types.
func printUsage(cmd *cobra.Command) error {
	var text strings.Builder
	text.WriteString("Usage:")
	if cmd.Runnable() {
		text.WriteString("\n  " + cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		text.WriteString("\n  " + cmd.CommandPath() + " [command]")
	}
	section := func(title, content string) {
		if content != "" {
			text.WriteString("\n\n" + title + "\n" + strings.TrimRight(content, " \n"))
		}
	}
	if len(cmd.Aliases) != 0 {
		section("Aliases:", "  "+cmd.NameAndAliases())
	}
	section("Examples:", cmd.Example)
	for _, group := range cmd.Groups() {
		section(group.Title, subcommands(cmd, group.ID))
	}
	if len(cmd.Groups()) == 0 {
		section("Available Commands:", subcommands(cmd, ""))
	}
	if cmd.HasAvailableLocalFlags() {
		section("Flags:", cmd.LocalFlags().FlagUsagesWrapped(80))
	}
	if cmd.HasAvailableInheritedFlags() {
		section("Global Flags:", cmd.InheritedFlags().FlagUsagesWrapped(80))
	}
	if cmd.HasAvailableSubCommands() {
		text.WriteString("\n\nUse \"" + cmd.CommandPath() + " [command] --help\" for more information about a command.")
	}
	_, err := io.WriteString(cmd.OutOrStderr(), text.String()+"\n")
	return err
}

// subcommands returns the list of cmd's subcommands in a group.
func subcommands(cmd *cobra.Command, group string) string {
	var list strings.Builder
	for _, sub := range cmd.Commands() {
		if sub.GroupID == group && (sub.IsAvailableCommand() || sub.Name() == "help") {
			fmt.Fprintf(&list, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
		}
	}
	return list.String()
}
