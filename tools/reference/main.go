// Command reference generates docs/reference from the comments of the contract, the OpenAPI document and the tree of
// commands. It needs buf on the PATH.
//
//	go run -C tools ./reference
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
	out := flag.String("out", "../docs/reference", "`directory` to write to, relative to tools/")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	rest, restErr := restPage("../gateway/rest/openapi.json")
	rpc, rpcErr := rpcPage()
	if err := errors.Join(restErr, rpcErr, os.MkdirAll(out, 0o755)); err != nil {
		return err
	}
	var errs []error
	for name, page := range map[string]string{"rest.md": rest, "rpc.md": rpc, "settings.md": settingsPage()} {
		errs = append(errs, os.WriteFile(filepath.Join(out, name), []byte(strings.TrimSpace(page)+"\n"), 0o644))
	}
	return errors.Join(errs...)
}

// output runs a command and returns its standard output.
func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return out, nil
}

// page is a page of Markdown under construction.
type page struct{ strings.Builder }

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// paragraph writes text as a paragraph, unless it is empty.
func (p *page) paragraph(text string) {
	if text = strings.TrimSpace(text); text != "" {
		p.printf("%s\n\n", text)
	}
}

// table writes rows below a heading, unless there are none.
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

// code returns text as inline code, or "" for "".
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
