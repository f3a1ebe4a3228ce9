// Package record writes down what a program measured, for people and for other programs.
package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Write writes results to NAME.json and what print prints to NAME.txt, in dir, which is made if it is not there. If dir is
// empty, it writes nothing.
func Write(dir, name string, results any, print func(io.Writer) error) error {
	if dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	var tables bytes.Buffer
	return errors.Join(
		os.MkdirAll(dir, 0o755),
		print(&tables),
		os.WriteFile(filepath.Join(dir, name+".txt"), tables.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o644),
	)
}

// Commit returns the commit of the working tree as git describes it, with "-dirty" if it was changed since. It returns
// nothing outside a clone.
func Commit(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output() // no clone, no commit
	return strings.TrimSpace(string(out))
}
