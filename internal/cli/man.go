package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write manual pages into a directory",
		Long:    "Write a manual page for each command into DIR, which must exist.",
		Example: "  mkdir -p /usr/local/share/man/man1 && kv man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return writeManuals(cmd.Root(), args[0]) },
	}
}

// writeManuals writes kv.1, kv-get.1 and so on.
func writeManuals(cmd *cobra.Command, dir string) error {
	cmd.InitDefaultHelpFlag()
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manual(cmd, name)), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if err := writeManuals(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// manual is the page of a command, in the macros of man(7).
func manual(cmd *cobra.Command, name string) string {
	m := &manPage{}
	m.line(".TH %s 1 \"\" \"kv %s\" \"kv\"", quoted(strings.ToUpper(name)), cmd.Root().Version)
	m.section("NAME", name+` \- `+escaped(firstLower(cmd.Short)))
	m.section("SYNOPSIS", `\fB`+escaped(cmd.UseLine())+`\fR`)
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	m.line(".SH DESCRIPTION")
	m.prose(about)
	m.options(cmd)
	if cmd.HasExample() {
		m.line(".SH EXAMPLES")
		m.verbatim(cmd.Example)
	}
	m.seeAlso(cmd)
	return m.String()
}

// manPage is a page that is being written.
type manPage struct{ strings.Builder }

func (m *manPage) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func (m *manPage) section(title, text string) { m.line(".SH %s\n%s", title, text) }

// prose writes paragraphs. Those that are indented are shown as they are.
func (m *manPage) prose(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			m.verbatim(paragraph)
			continue
		}
		m.line(".PP\n%s", escaped(paragraph))
	}
}

func (m *manPage) verbatim(text string) { m.line(".PP\n.nf\n%s\n.fi", escaped(text)) }

func (m *manPage) options(cmd *cobra.Command) {
	if !cmd.HasAvailableLocalFlags() {
		return
	}
	m.line(".SH OPTIONS")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		argument, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		m.line(".TP\n\\fB%s\\fR \\fI%s\\fR\n%s", escaped(name), escaped(argument), escaped(usage))
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			m.line("(default %s)", escaped(f.DefValue))
		}
	})
}

func (m *manPage) seeAlso(cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-")+"(1)")
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			pages = append(pages, strings.ReplaceAll(sub.CommandPath(), " ", "-")+"(1)")
		}
	}
	m.section("SEE ALSO", escaped(strings.Join(pages, ", ")))
}

// escaped keeps text from being read as a request or an escape.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\`", "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func quoted(text string) string { return `"` + escaped(text) + `"` }

func firstLower(text string) string { return strings.ToLower(text[:1]) + text[1:] }
