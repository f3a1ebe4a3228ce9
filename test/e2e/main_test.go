package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"key-value/internal/testkit/proc"
)

// repository is the root of the project, relative to the directory in which go test runs.
const repository = "../.."

// kv is the path of the binary under test.
var kv string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

// run builds the programs that the tests call, puts them first on the PATH, and runs the tests.
func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "kv-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	buf, err := filepath.Abs(filepath.Join(repository, "tools", "node_modules", ".bin"))
	if err != nil {
		return 0, err
	}
	path := strings.Join([]string{dir, buf, os.Getenv("PATH")}, string(os.PathListSeparator))
	if kv, err = proc.BuildKV(context.Background(), dir); err != nil {
		return 0, err
	}
	if err := errors.Join(
		command("go", "build", "-C", "tools", "-o", dir, "github.com/fullstorydev/grpcurl/cmd/grpcurl"),
		os.Setenv("PATH", path),
		os.Setenv("GOBIN", dir), // for the README's go install
	); err != nil {
		return 0, err
	}
	if _, err := exec.LookPath("buf"); err != nil {
		return 0, fmt.Errorf("buf is not installed: run npm ci --prefix tools: %w", err)
	}
	return m.Run(), nil
}

// command runs a command in the repository's root.
func command(name string, args ...string) error {
	_, err := proc.Command{Path: name, Args: args, Dir: repository}.Output(context.Background())
	return err
}
