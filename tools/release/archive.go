package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"key-value/internal/cli"
)

// writeExtras writes what an archive or a package has beside the binary to a directory, and returns it: the licence,
// manual pages in man/, and completion scripts in completions/ (kv.bash, _kv for zsh, and kv.fish).
func (r *release) writeExtras(ctx context.Context) (string, error) {
	dir := filepath.Join(r.work, "extras")
	for _, below := range []string{"man", "completions"} {
		if err := os.MkdirAll(filepath.Join(dir, below), 0o755); err != nil {
			return "", err
		}
	}
	if err := r.kv(ctx, io.Discard, "man", filepath.Join(dir, "man")); err != nil {
		return "", err
	}
	for shell, name := range map[string]string{"bash": "kv.bash", "zsh": "_kv", "fish": "kv.fish"} {
		var script strings.Builder
		if err := r.kv(ctx, &script, "completion", shell); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "completions", name), []byte(script.String()), 0o644); err != nil {
			return "", err
		}
	}
	licence, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	return dir, errors.Join(err, os.WriteFile(filepath.Join(dir, "LICENSE"), licence, 0o644))
}

// kv runs a command of kv in this process, because the binaries may be for other systems.
func (r *release) kv(ctx context.Context, stdout io.Writer, args ...string) error {
	command := cli.Command(r.version)
	command.SetOut(stdout)
	command.SetArgs(args)
	return command.ExecuteContext(ctx)
}

// archive is an archive of a release, as the template of the formula reads it.
type archive struct {
	System, Arch string // GOOS and GOARCH
	Name, URL    string // of the file
	Sum          string // its SHA-256 in hexadecimal
}

// writeArchive packs a binary and the extras for a platform, in one directory with the name of the archive: a .zip for Windows,
// and a .tar.gz for all others.
func (r *release) writeArchive(platform, binary, extras string) (archive, error) {
	files := []string{binary}
	err := filepath.WalkDir(extras, func(file string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		return archive{}, err
	}
	suffix, open := ".tar.gz", newTar
	if strings.HasPrefix(platform, "windows/") {
		suffix, open = ".zip", newZip
	}
	name := r.named(platform, suffix)
	dir := strings.TrimSuffix(filepath.Base(name), suffix)
	out, err := os.Create(name)
	if err != nil {
		return archive{}, err
	}
	defer out.Close()
	w := open(out, r.date)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return archive{}, err
		}
		below, mode := filepath.Base(binary), int64(0o755)
		if file != binary {
			if below, err = filepath.Rel(extras, file); err != nil {
				return archive{}, err
			}
			mode = 0o644
		}
		if err := w.add(path.Join(dir, filepath.ToSlash(below)), mode, data); err != nil {
			return archive{}, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		return archive{}, err
	}
	r.files = append(r.files, name)
	sum, err := checksum(name)
	system, arch, _ := strings.Cut(platform, "/")
	base := filepath.Base(name)
	return archive{system, arch, base, r.url + "/" + base, sum}, err
}

// archiver writes an archive.
type archiver interface {
	add(name string, mode int64, data []byte) error
	io.Closer
}

type tarArchive struct {
	gzip *gzip.Writer
	tar  *tar.Writer
	date time.Time
}

func newTar(w io.Writer, date time.Time) archiver {
	packed, _ := gzip.NewWriterLevel(w, gzip.BestCompression) // the level is valid
	return &tarArchive{packed, tar.NewWriter(packed), date}
}

func (a *tarArchive) add(name string, mode int64, data []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data)), ModTime: a.date}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := a.tar.Write(data)
	return err
}

func (a *tarArchive) Close() error { return errors.Join(a.tar.Close(), a.gzip.Close()) }

type zipArchive struct {
	zip  *zip.Writer
	date time.Time
}

func newZip(w io.Writer, date time.Time) archiver { return &zipArchive{zip.NewWriter(w), date} }

func (a *zipArchive) add(name string, _ int64, data []byte) error {
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.date})
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func (a *zipArchive) Close() error { return a.zip.Close() }
