package proc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
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

// Tool returns the path of a program whose version the module at root pins. It builds the program unless the user's cache has
// it, which needs a download the first time.
func Tool(ctx context.Context, root, name, pkg string) (string, error) {
	version, err := Command{Path: "go", Args: []string{"list", "-find", "-f", "{{.Module.Version}}", pkg}, Dir: root}.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("find the version of %s: %w", pkg, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "key-value", strings.TrimSpace(version)+"-"+runtime.Version()+"-"+runtime.GOARCH)
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	built, err := Build(ctx, root, filepath.Join(temp, name), pkg)
	if err != nil {
		return "", err
	}
	return file, os.Rename(built, file) // several tests may build it at the same time
}

// Overlay returns the flag of [Build] for a build in which a file of the module has other texts, by text. What it needs is in
// dir, and the working tree is not changed. It fails unless the file has each text exactly once.
func Overlay(dir, file string, changes map[string]string) (string, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	source := string(text)
	for old, other := range changes {
		if strings.Count(source, old) != 1 {
			return "", fmt.Errorf("%s: want %q exactly once", file, old)
		}
		source = strings.Replace(source, old, other, 1)
	}
	changed, overlay := filepath.Join(dir, "changed-"+filepath.Base(file)), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	return "-overlay=" + overlay, errors.Join(err, os.WriteFile(changed, []byte(source), 0o600), os.WriteFile(overlay, list, 0o600))
}
