// Package record writes the results of suites and benchmarks, for people and for programs.
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

// Write writes results to NAME.json in dir, and what print prints to NAME.txt. It creates dir if necessary. An empty
// dir writes nothing.
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

// Commit returns the commit of the working tree as git describes it, with "-dirty" if files have changed. It returns ""
// outside a clone.
func Commit(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output() // outside a clone there is no commit
	return strings.TrimSpace(string(out))
}
