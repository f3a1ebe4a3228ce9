package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"key-value/internal/testkit/proc"
)

// findRoots returns where the modules are.
func findRoots() (roots, error) {
	store, err := proc.Root(context.Background(), proc.Module)
	if err != nil {
		return roots{}, err
	}
	bench, err := proc.Root(context.Background(), proc.Module+"/test")
	return roots{store, bench}, err
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
			return proc.Build(ctx, r.store, file, "./cmd/kv", "-trimpath")
		case storeUnbatched:
			overlay, err := s.overlay(r.store)
			if err != nil {
				return "", err
			}
			return proc.Build(ctx, r.store, file, "./cmd/kv", "-trimpath", "-overlay", overlay)
		}
		return proc.Build(ctx, r.bench, file, "./bench/"+name, "-trimpath")
	})
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

// withoutBatching changes the one line of internal/cli/hop.go that selects batching.
func withoutBatching(source string) (string, error) {
	const batched, unbatched = "Batch:      true,", "Batch:      false,"
	if strings.Count(source, batched) != 1 {
		return "", fmt.Errorf("want %q in it exactly once, to build it without batching", batched)
	}
	return strings.Replace(source, batched, unbatched, 1), nil
}
