// Command module gives the project another module path, so that it can be fetched with go get from where it lives.
//
//	go run -C tools ./module example.com/you/key-value
//
// It rewrites the module lines of every go.mod, all imports, the go_package options of proto/, the packages named in
// scripts and documents, and generates gen/ again. Commit before you run it: git then shows what has changed.
//
// It needs git, Go and buf (npm ci --prefix tools).
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/format"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "module:", err)
		os.Exit(1)
	}
}

// run renames the module of the tree that the current directory belongs to.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("want one argument, the new module path, such as example.com/you/key-value")
	}
	root, err := output(ctx, ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	return rename(ctx, strings.TrimSpace(root), args[0], stdout)
}

// rename gives the module in root the path to.
func rename(ctx context.Context, root, to string, stdout io.Writer) error {
	from, err := modulePath(ctx, root)
	if err != nil {
		return err
	}
	if err := checkPath(from, to); err != nil {
		return err
	}
	files, err := output(ctx, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	changed := 0
	r := newReferences(from)
	for _, name := range strings.Split(strings.TrimRight(files, "\x00"), "\x00") {
		did, err := rewrite(filepath.Join(root, name), r, to)
		if err != nil {
			return err
		}
		if did {
			changed++
		}
	}
	if err := generate(ctx, root); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s is now %s, in %d files\n", from, to, changed)
	return nil
}

func modulePath(ctx context.Context, root string) (string, error) {
	path, err := output(ctx, root, "go", "list", "-m")
	return strings.TrimSpace(path), err
}

// aPath is a module path that go get accepts: its first element has a dot, because it names a host.
var aPath = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._~-]+)+$`)

func checkPath(from, to string) error {
	switch {
	case !aPath.MatchString(to):
		return fmt.Errorf("invalid module path %q: want a host and a path, such as example.com/you/key-value", to)
	case from == to:
		return fmt.Errorf("the module path is %s already", to)
	}
	return nil
}

// references matches what names the module or one of its packages. The name of the project in prose, such as "a key-value
// store", does not match.
type references struct {
	declaration *regexp.Regexp // module PATH, in go.mod
	mention     *regexp.Regexp // PATH/package in code and text, and PATH in require, replace and their flags
}

func newReferences(module string) references {
	const packages = `/(?:client|cmd|deploy|examples|gateway|gen|internal|kvservice|test|tools)\b`
	module = regexp.QuoteMeta(module)
	return references{
		declaration: regexp.MustCompile(`(?m)^(module )` + module + `(\r?)$`),
		mention:     regexp.MustCompile(`(?m)(^|[^\w./-])` + module + `(` + packages + `|@v|=\$| v\d| =>)`),
	}
}

func (r references) replace(text []byte, to string) []byte {
	by := []byte("${1}" + to + "${2}")
	return r.mention.ReplaceAll(r.declaration.ReplaceAll(text, by), by)
}

// rewrite replaces the references in a file of text, and reports whether there were any.
func rewrite(file string, r references, to string) (bool, error) {
	info, err := os.Lstat(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // deleted, and not committed yet
	}
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	before, err := os.ReadFile(file)
	if err != nil || bytes.IndexByte(before, 0) >= 0 {
		return false, err
	}
	after := r.replace(before, to)
	if bytes.Equal(before, after) {
		return false, nil
	}
	if filepath.Ext(file) == ".go" {
		if after, err = format.Source(after); err != nil { // sorts the imports
			return false, fmt.Errorf("%s: %w", file, err)
		}
	}
	return true, os.WriteFile(file, after, info.Mode().Perm())
}

// generate makes gen/ again, in which the path is part of what is encoded.
func generate(ctx context.Context, root string) error {
	buf := filepath.Join(root, "tools", "node_modules", ".bin", "buf")
	if _, err := os.Stat(buf); err != nil {
		buf = "buf"
	}
	_, err := output(ctx, root, buf, "generate")
	return err
}

func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
