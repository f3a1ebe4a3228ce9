// Command release builds what a release consists of, for each system it is for: the binary, a list of all that is in
// it (an SBOM in CycloneDX's JSON), and one file of checksums.
//
//	go run -C tools ./release --version v1.2.3             into dist/
//	go run -C tools ./release --version v1.2.3 --only linux/amd64
//
// The same commit, version and Go give the same bytes wherever they are built.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// platforms are the systems that a release is for, as GOOS/GOARCH.
var platforms = []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64"}

// versions are semantic versions as Go writes them.
var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	version := f.String("version", "", "`version` of the release, such as v1.2.3")
	out := f.String("out", "../dist", "`directory` for the files, as seen from tools/")
	only := f.String("only", "", "one `system`, as GOOS/GOARCH, in place of all")
	if err := f.Parse(args); err != nil {
		return err
	}
	if !versions.MatchString(*version) {
		return fmt.Errorf("--version %q: use one such as v1.2.3", *version)
	}
	wanted := platforms
	if *only != "" {
		if !slices.Contains(platforms, *only) {
			return fmt.Errorf("--only %q: a release is for %s", *only, strings.Join(platforms, ", "))
		}
		wanted = []string{*only}
	}
	root, err := mainModule(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	var files []string
	for _, platform := range wanted {
		binary, err := build(ctx, root, platform, *version, *out)
		if err != nil {
			return err
		}
		list, err := writeSBOM(binary, *version)
		if err != nil {
			return err
		}
		files = append(files, binary, list)
	}
	return writeChecksums(filepath.Join(*out, "SHA256SUMS"), files, stdout)
}

// mainModule returns the directory of the main module, which is the one above the module of this program.
func mainModule(ctx context.Context) (string, error) {
	file, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	return filepath.Dir(filepath.Dir(strings.TrimSpace(string(file)))), err
}

// build compiles the store for platform and returns the binary's file.
func build(ctx context.Context, root, platform, version, out string) (string, error) {
	system, arch, _ := strings.Cut(platform, "/")
	file, err := filepath.Abs(filepath.Join(out, fmt.Sprintf("kv_%s_%s_%s", version, system, arch)))
	if err != nil {
		return "", err
	}
	if system == "windows" {
		file += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -X main.version="+version, "-o", file, "./cmd/kv")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build for %s: %w: %s", platform, err, text)
	}
	return file, nil
}

// writeChecksums writes the SHA-256 of each file, as sha256sum does, and says the same on stdout.
func writeChecksums(name string, files []string, stdout io.Writer) error {
	var text strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(data), filepath.Base(file))
	}
	_, err := io.WriteString(stdout, text.String())
	return errors.Join(err, os.WriteFile(name, []byte(text.String()), 0o644))
}
