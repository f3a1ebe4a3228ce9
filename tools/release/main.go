// Command release builds all files of a release into one directory. For each system it is for, that is an archive
// with the binary, manual pages and completion scripts, and a list of all that is in the binary (an SBOM in CycloneDX's JSON).
// For Linux, there is a container image too, with a list of its own. A script and a formula for Homebrew install the archives.
// SHA256SUMS has the checksums of all files.
//
//	go run -C tools ./release --version v1.2.3             into dist/
//	go run -C tools ./release --version v1.2.3 --only linux/amd64
//	go run -C tools ./release --url https://example.com/v1.2.3 --push registry.example.com/key-value
//
// The version is the tag of the commit, unless --version names another one.
//
// The same commit, version, --url and Go give the same bytes wherever they are built. Files in archives are as old as the commit, or as
// SOURCE_DATE_EPOCH says.
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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// platforms are the systems that a release is for, as GOOS/GOARCH.
var platforms = []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64"}

// versions are semantic versions as Go writes them.
var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// release is what every step of a release knows.
type release struct {
	version string    // such as v1.2.3
	url     string    // of the directory that the files will be downloaded from
	date    time.Time // of the commit
	root    string    // directory of the main module
	work    string    // directory for what is not a file of the release, which is removed at the end
	out     string    // directory of the release's files
	files   []string  // of the release, in the order of SHA256SUMS; each step adds what it writes
}

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
	version := f.String("version", "", "`version` of the release, such as v1.2.3 (default: the tag of the commit)")
	out := f.String("out", "../dist", "`directory` for the files, as seen from tools/")
	only := f.String("only", "", "one `system`, as GOOS/GOARCH, instead of all")
	url := f.String("url", "", "`URL` of the directory that the files will be downloaded from (default: a file URL of --out)")
	push := f.String("push", "", "`repository` of a registry, such as ghcr.io/you/key-value, to upload the image to")
	if err := f.Parse(args); err != nil {
		return err
	}
	wanted := platforms
	if *only != "" {
		if !slices.Contains(platforms, *only) {
			return fmt.Errorf("invalid --only %q: want one of %s", *only, strings.Join(platforms, ", "))
		}
		wanted = []string{*only}
	}
	r, err := begin(ctx, *version, *out, *url)
	if err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	images, err := r.build(ctx, wanted)
	if err != nil {
		return err
	}
	if err := r.writeChecksums(stdout); err != nil || *push == "" {
		return err
	}
	return r.push(ctx, *push, images)
}

// begin makes the directories of a release of what is checked out.
func begin(ctx context.Context, version, out, url string) (*release, error) {
	root, err := mainModule(ctx)
	if err != nil {
		return nil, err
	}
	if version == "" {
		if version, err = tag(ctx, root); err != nil {
			return nil, err
		}
	}
	if !versions.MatchString(version) {
		return nil, fmt.Errorf("invalid version %q: want one such as v1.2.3", version)
	}
	date, err := commitTime(ctx, root)
	if err != nil {
		return nil, err
	}
	// Relative to this module, not to where the compiler runs.
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	if url == "" {
		url = "file://" + filepath.ToSlash(out)
	}
	work, err := os.MkdirTemp("", "release-")
	return &release{version: version, url: strings.TrimSuffix(url, "/"), date: date, root: root, work: work, out: out}, err
}

// mainModule returns the directory of the main module, which is the one above the module of this program.
func mainModule(ctx context.Context) (string, error) {
	file, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	return filepath.Dir(filepath.Dir(strings.TrimSpace(string(file)))), err
}

// tag returns the version that tags the commit that is checked out.
func tag(ctx context.Context, root string) (string, error) {
	said, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--tags", "--exact-match", "--match", "v*").Output()
	if err != nil {
		return "", errors.New("no tag such as v1.2.3 is at this commit: tag it, or give --version")
	}
	return strings.TrimSpace(string(said)), nil
}

// commitTime returns when the commit that is checked out was made, or what SOURCE_DATE_EPOCH says.
func commitTime(ctx context.Context, root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		said, err := exec.CommandContext(ctx, "git", "-C", root, "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("read the time of the commit, without which SOURCE_DATE_EPOCH must be set: %w", err)
		}
		text = strings.TrimSpace(string(said))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid SOURCE_DATE_EPOCH %q: want seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// build makes the files of the release for the platforms, and returns the images.
func (r *release) build(ctx context.Context, platforms []string) ([]image, error) {
	extras, err := r.writeExtras(ctx)
	if err != nil {
		return nil, err
	}
	var archives []archive
	var images []image
	for _, platform := range platforms {
		binary, err := r.compile(ctx, platform)
		if err != nil {
			return nil, err
		}
		a, err := r.writeArchive(platform, binary, extras)
		if err != nil {
			return nil, err
		}
		archives = append(archives, a)
		if err := r.writeSBOM(r.named(platform, ".cdx.json"), binary, r.application()); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(platform, "linux/") {
			continue
		}
		if err := r.packages(platform, binary, extras); err != nil {
			return nil, err
		}
		i, err := r.writeImage(platform, binary)
		if err != nil {
			return nil, err
		}
		images = append(images, i)
	}
	return images, r.writeInstallers(archives)
}

// compile compiles the store for platform and returns the binary's file.
func (r *release) compile(ctx context.Context, platform string) (string, error) {
	system, arch, _ := strings.Cut(platform, "/")
	file := filepath.Join(r.work, system+"_"+arch, "kv")
	if system == "windows" {
		file += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags=grpcnotrace",
		"-ldflags=-s -w -X main.version="+r.version, "-o", file, "./cmd/kv")
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=",
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build for %s: %w: %s", platform, err, text)
	}
	return file, nil
}

// named returns the path of the release's file for a platform.
func (r *release) named(platform, suffix string) string {
	return filepath.Join(r.out, "kv_"+r.version+"_"+strings.ReplaceAll(platform, "/", "_")+suffix)
}

// writeChecksums writes the SHA-256 of each file, as sha256sum does, and says the same on stdout.
func (r *release) writeChecksums(stdout io.Writer) error {
	var text strings.Builder
	for _, file := range r.files {
		sum, err := checksum(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, filepath.Base(file))
	}
	_, err := io.WriteString(stdout, text.String())
	return errors.Join(err, os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(text.String()), 0o644))
}

// checksum returns the SHA-256 of a file in hexadecimal.
func checksum(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(data)), nil
}
