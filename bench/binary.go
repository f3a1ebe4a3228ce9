package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// findRoots asks Go where the modules are, which works only within bench/.
func findRoots() (roots, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "key-value", "key-value/bench").Output()
	dirs := strings.Fields(string(out))
	if err != nil || len(dirs) != 2 {
		return roots{}, errors.Join(errors.New("run it with go run -C bench"), err)
	}
	return roots{store: dirs[0], bench: dirs[1]}, nil
}

// profile is what the store's own build is guided by, seen from its root.
const profile = "cmd/kv/default.pgo"

// binary returns the file of a program, built when it is needed first. "store" is the project's own, built from the
// working tree as `task build` does; others are packages of this module.
func (s *stage) binary(ctx context.Context, name string) (string, error) {
	return s.do("binary "+name, func() (string, error) {
		r, err := s.roots()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(s.progress, "building", name)
		file := filepath.Join(s.dir, name+".binary")
		args := []string{"build", "-trimpath", "-o", file, "./" + name}
		dir := r.bench
		switch name {
		case "store":
			dir, args[len(args)-1] = r.store, "./cmd/kv"
		case "unbatched":
			// It is to differ from the store in one thing alone, so it is built with the same profile.
			if guide := filepath.Join(r.store, profile); exists(guide) {
				args = append([]string{"build", "-pgo", guide}, args[1:]...)
			}
		}
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", name, err, out)
		}
		return file, nil
	})
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
