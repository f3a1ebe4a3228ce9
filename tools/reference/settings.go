package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"key-value/internal/cli"
)

// settingsPage returns the reference of all commands, flags and variables.
func settingsPage() string {
	var p page
	p.printf("# Settings\n\n%s", generated("the commands of [internal/cli](../../internal/cli/root.go)"))
	p.paragraph("A flag takes precedence over its environment variable. Secrets are set by variables only.")
	root := cli.Command("development")
	for _, group := range root.Groups() {
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && cmd.IsAvailableCommand() {
				p.command(cmd)
			}
		}
	}
	return p.String()
}

// command writes a section for cmd and one for each of its subcommands.
func (p *page) command(cmd *cobra.Command) {
	p.printf("## %s\n\n", cmd.CommandPath())
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	p.paragraph(about)
	var flags [][]string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { flags = append(flags, setting(f)) })
	p.table(flags, "flag", "variable", "default", "meaning")
	for _, sub := range cmd.Commands() {
		p.command(sub)
	}
}

// setting returns the row of a flag.
func setting(f *pflag.Flag) []string {
	kind, meaning := pflag.UnquoteUsage(f)
	flag := code(strings.TrimSpace("--" + f.Name + " " + kind))
	if f.Shorthand != "" {
		flag = code("-"+f.Shorthand) + ", " + flag
	}
	value := f.DefValue
	if slices.Contains([]string{"0", "0s", "false", "[]"}, value) { // zero values, which help does not show either
		value = ""
	}
	variable := cli.Variable(f)
	return []string{flag, code(variable), code(value), strings.TrimSuffix(meaning, " ["+variable+"]")}
}
