package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pageName returns the name of cmd's manual page, such as kv-keys-create.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manualPage returns the manual page of cmd for troff, with macros of man. It has no date, so that the same program
// writes the same pages.
func manualPage(cmd *cobra.Command) string {
	var page strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	line(`.nh`)
	line(`.TH "%s" "1" "" "kv %s" "kv"`, strings.ToUpper(pageName(cmd)), version(cmd))
	line(".SH NAME\n%s \\- %s", troff(pageName(cmd)), troff(cmd.Short))
	line(".SH SYNOPSIS\n\\fB%s\\fP", troff(cmd.UseLine()))
	line(".SH DESCRIPTION\n%s", paragraphs(cmd.Long))
	cmd.InitDefaultHelpFlag()
	line(".SH OPTIONS")
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			line("%s", option(f))
		}
	})
	if cmd.Example != "" {
		line(".SH EXAMPLES\n.EX\n%s\n.EE", troff(cmd.Example))
	}
	var others []string
	if cmd.HasParent() {
		others = append(others, pageName(cmd.Parent()))
	}
	for _, sub := range documented(cmd) {
		others = append(others, pageName(sub))
	}
	for i, other := range others {
		others[i] = `\fB` + troff(other) + `\fP(1)`
	}
	line(".SH SEE ALSO\n%s", strings.Join(others, ",\n"))
	return page.String()
}

// option describes a flag with its default and, below it, its usage.
func option(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	name := `\fB` + troff("--"+f.Name) + `\fP`
	if f.Shorthand != "" {
		name = `\fB` + troff("-"+f.Shorthand) + `\fP, ` + name
	}
	if value != "" {
		name += ` \fI` + troff(value) + `\fP`
	}
	if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	return ".TP\n" + name + "\n" + troff(usage)
}

// paragraphs returns a text of help with a macro before each paragraph but the first, and around those that are indented by
// four spaces, which are tables and code.
func paragraphs(text string) string {
	all := strings.Split(troff(text), "\n\n")
	for i, paragraph := range all {
		if strings.HasPrefix(paragraph, "    ") {
			all[i] = ".EX\n" + paragraph + "\n.EE"
		}
	}
	return strings.Join(all, "\n.PP\n")
}

// troff escapes text: backslashes, hyphens that readers may copy, and characters at the beginning of a line that troff reads
// as a macro.
func troff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	return macro.ReplaceAllString(text, `\&$0`)
}

var macro = regexp.MustCompile(`(?m)^[.']`)
