// Package patterns_test runs the program in each folder against a store of its own. What a program prints is in the comment
// at its end, below "// Output:". It is configured by KV_URL and KV_API_KEY, and has fewer than 60 lines, so that it can be
// read at a glance.
package patterns_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"key-value/client/clienttest"
)

const maxLines = 60

func TestPatterns(t *testing.T) {
	files, err := filepath.Glob("*/main.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no programs: %v", err)
	}
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, file := range files {
		t.Run(filepath.Dir(file), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(source, []byte("\n")); lines >= maxLines {
				t.Errorf("%s has %d lines, want fewer than %d", file, lines, maxLines)
			}
			want := output(t, string(source))
			s := clienttest.New(t)
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, filepath.Dir(file)))
			cmd.Env = append(os.Environ(), "KV_URL="+s.URL(), "KV_API_KEY="+s.APIKey)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil || stdout.String() != want {
				t.Errorf("%s prints %q and %q, %v; want %q", file, stdout.String(), stderr.String(), err, want)
			}
		})
	}
}

// output returns what the comment at the end of source says that the program prints.
func output(t *testing.T, source string) string {
	t.Helper()
	_, comment, ok := strings.Cut(source, "\n// Output:\n")
	if !ok {
		t.Fatal("there is no comment // Output:")
	}
	var lines strings.Builder
	for line := range strings.Lines(comment) {
		lines.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "//"), " "))
	}
	return lines.String()
}
