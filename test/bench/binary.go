package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// findRoots asks Go where the modules are, which works only within test/.
func findRoots() (roots, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "key-value", "key-value/test").Output()
	dirs := strings.Fields(string(out))
	if err != nil || len(dirs) != 2 {
		return roots{}, errors.Join(errors.New("run it with go run -C test ./bench"), err)
	}
	return roots{store: dirs[0], bench: dirs[1]}, nil
}

// The programs that are of the project itself. All others are packages of this module.
const (
	store = "store" // cmd/kv
	// storeUnbatched is cmd/kv with one difference: each call of its gateway to the service is a request of its own,
	// as it would be without package internal/hop/batching.
	storeUnbatched = "store-unbatched"
)

// binary returns the file of a program, built when it is needed first. The project's own is built from the working
// tree as `task build` does.
func (s *stage) binary(ctx context.Context, name string) (string, error) {
	return s.do("binary "+name, func() (string, error) {
		r, err := s.roots()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(s.progress, "building", name)
		file := filepath.Join(s.dir, name+".binary")
		switch name {
		case store:
			return file, build(ctx, r.store, file, "./cmd/kv")
		case storeUnbatched:
			overlay, err := s.overlay(r.store)
			if err != nil {
				return "", err
			}
			return file, build(ctx, r.store, file, "./cmd/kv", "-overlay", overlay)
		}
		return file, build(ctx, r.bench, file, "./bench/"+name)
	})
}

func build(ctx context.Context, dir, file, pkg string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-trimpath", "-o", file}, flags...), pkg)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return nil
}

// overlay writes what has Go build the store unbatched, and returns its file. Nothing in the working tree is changed.
func (s *stage) overlay(root string) (string, error) {
	original := filepath.Join(root, "internal", "cli", "hop.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed, err := withoutBatching(string(source))
	if err != nil {
		return "", fmt.Errorf("%s: %w", original, err)
	}
	replacement, file := filepath.Join(s.dir, "hop.go"), filepath.Join(s.dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	return file, errors.Join(err, os.WriteFile(replacement, []byte(changed), 0o600), os.WriteFile(file, text, 0o600))
}

// withoutBatching changes the one line of internal/cli/hop.go that makes the transport.
func withoutBatching(source string) (string, error) {
	const batched, unbatched = "client.NewTransport(h.service, options...)",
		"client.NewTransport(h.service, append(options, client.WithoutBatching())...)"
	if strings.Count(source, batched) != 1 {
		return "", fmt.Errorf("it does not call %s just once, so it cannot be built without batching", batched)
	}
	return strings.Replace(source, batched, unbatched, 1), nil
}
