package main

import (
	"regexp"
	"strings"
)

var (
	commandLine = regexp.MustCompile(`^  ([a-z]+) {2,}\S`)
	flagLine    = regexp.MustCompile(`^ +(?:-(\w), )?(?:--([a-z0-9-]+))(?: (\S+))? {2,}(.*)$`)
	variable    = regexp.MustCompile(` \[(KV_[A-Z0-9_]+)\]`)
	defaulted   = regexp.MustCompile(` \(default (.*)\)$`)
)

// settingsPage returns the reference of the commands' flags and variables, in the words of their help.
func settingsPage() (string, error) {
	var p page
	p.printf("# Settings\n\n%s", generated("`kv help`"))
	p.paragraph("A variable of the environment stands for the flag beside it; a flag wins. Secrets are variables only.")
	return p.settings(nil)
}

// settings writes a section for the command that path names, and for those below it.
func (p *page) settings(path []string) (string, error) {
	text, err := output("go", append([]string{"run", "./cmd/kv", "help"}, path...)...)
	if err != nil {
		return "", err
	}
	about, rest, _ := strings.Cut(string(text), "\nUsage:\n")
	if len(path) > 0 {
		p.printf("## kv %s\n\n", strings.Join(path, " "))
		p.paragraph(asMarkdown(about))
	}
	var flags [][]string
	for line := range strings.SplitSeq(rest, "\n") {
		if found := commandLine.FindStringSubmatch(line); found != nil && found[1] != "help" && found[1] != "completion" {
			if _, err := p.settings(append(path[:len(path):len(path)], found[1])); err != nil {
				return "", err
			}
		}
		if found := flagLine.FindStringSubmatch(line); found != nil && found[2] != "help" {
			flags = append(flags, setting(found))
		}
	}
	if len(path) > 0 {
		p.table(flags, "flag", "variable", "default", "meaning")
	}
	return p.String(), nil
}

// setting returns the row of a flag.
func setting(found []string) []string {
	short, name, kind, meaning := found[1], found[2], found[3], found[4]
	flag := code(strings.TrimSpace("--" + name + " " + kind))
	if short != "" {
		flag = code("-"+short) + ", " + flag
	}
	value, env := "", ""
	if d := defaulted.FindStringSubmatch(meaning); d != nil {
		value, meaning = strings.Trim(d[1], `"`), strings.TrimSuffix(meaning, d[0])
	}
	if v := variable.FindStringSubmatch(meaning); v != nil {
		env, meaning = v[1], strings.Replace(meaning, v[0], "", 1)
	}
	return []string{flag, code(env), code(value), meaning}
}

// asMarkdown returns the text of a help page with its indented lines as code.
func asMarkdown(help string) string {
	return regexp.MustCompile(`(?m)^  `).ReplaceAllString(help, "      ")
}
