// Command reference writes docs/reference from what the pages are about: the contract's comments, the OpenAPI document
// and the help of the commands. It runs in the root of the repository, with buf on the PATH.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("out", "docs/reference", "the folder to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	rest, restErr := restPage("gateway/rest/openapi.json")
	rpc, rpcErr := rpcPage()
	settings, settingsErr := settingsPage()
	if err := errors.Join(restErr, rpcErr, settingsErr, os.MkdirAll(out, 0o755)); err != nil {
		return err
	}
	var errs []error
	for name, page := range map[string]string{"rest.md": rest, "rpc.md": rpc, "settings.md": settings} {
		errs = append(errs, os.WriteFile(filepath.Join(out, name), []byte(strings.TrimSpace(page)+"\n"), 0o644))
	}
	return errors.Join(errs...)
}

// output runs a command and returns what it prints.
func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return out, nil
}

// page is Markdown that grows.
type page struct{ strings.Builder }

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// paragraph writes text, if there is any.
func (p *page) paragraph(text string) {
	if text = strings.TrimSpace(text); text != "" {
		p.printf("%s\n\n", text)
	}
}

// table writes rows below a head, if there are any.
func (p *page) table(rows [][]string, head ...string) {
	if len(rows) == 0 {
		return
	}
	p.printf("| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.Join(strings.Fields(strings.ReplaceAll(cell, "|", `\|`)), " ")
		}
		p.printf("| %s |\n", strings.Join(row, " | "))
	}
	p.printf("\n")
}

// code returns text in backquotes, or nothing for nothing.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
