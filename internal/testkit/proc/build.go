package proc

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
)

// Module is the path of the main module, from which kv is built with the versions in its go.mod.
var Module, _, _ = strings.Cut(reflect.TypeFor[Process]().PkgPath(), "/internal/")

// Root returns the root directory of a module of this repository: [Module], or Module + "/test".
func Root(ctx context.Context, module string) (string, error) {
	out, err := Command{Path: "go", Args: []string{"list", "-m", "-f", "{{.Dir}}", module}}.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("find module %s, from a directory of this repository: %w", module, err)
	}
	return strings.TrimSpace(out), nil
}

// BuildKV builds kv from the working tree into dir, with flags for go build, and returns its file.
func BuildKV(ctx context.Context, dir string, flags ...string) (string, error) {
	root, err := Root(ctx, Module)
	if err != nil {
		return "", err
	}
	return Build(ctx, root, filepath.Join(dir, "kv"), "./cmd/kv", flags...)
}

// Build builds a package of the module at root into file, with flags for go build, and returns file.
func Build(ctx context.Context, root, file, pkg string, flags ...string) (string, error) {
	args := append([]string{"build", "-o", file}, flags...)
	if _, err := (Command{Path: "go", Args: append(args, pkg), Dir: root}).Output(ctx); err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	return file, nil
}
