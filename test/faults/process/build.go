package process

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds kv from the working tree, whose test/ is the current directory, into dir. It returns the program's
// path, and what it was built from as git describes it.
func Build(ctx context.Context, dir string) (kv, commit string, err error) {
	kv = filepath.Join(dir, "kv")
	build := exec.CommandContext(ctx, "go", "build", "-o", kv, "./cmd/kv")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	described, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	return kv, strings.TrimSpace(string(described)), nil
}
