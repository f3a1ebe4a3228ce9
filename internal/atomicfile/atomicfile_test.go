package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"key-value/internal/atomicfile"
)

// create creates a file with text and mode perm.
func create(t *testing.T, path, text string, perm fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, perm)); err != nil {
		t.Fatal(err)
	}
}

// wantFile checks the contents and mode of a file, and that nothing else is in its directory except others.
func wantFile(t *testing.T, path, text string, perm fs.FileMode, others int) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != text {
		t.Errorf("the file holds %q, %v; want %q", got, err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != perm {
		t.Errorf("the file has mode %v, %v; want %v", info.Mode(), err, perm)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1+others {
		t.Errorf("the directory holds %v, %v; want %d files", entries, err, 1+others)
	}
}

func TestAFileKeepsItsMode(t *testing.T) {
	t.Parallel()
	for _, perm := range []fs.FileMode{0o600, 0o640, 0o444} {
		path := filepath.Join(t.TempDir(), "file")
		create(t, path, "old", perm)
		if err := atomicfile.Replace(path, []byte("new"), 0o600); err != nil {
			t.Error(err)
		}
		wantFile(t, path, "new", perm, 0)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := atomicfile.Replace(path, []byte("new"), 0o644); err != nil {
		t.Error(err)
	}
	wantFile(t, path, "new", 0o644, 0)
}

func TestALinkStaysALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	create(t, path, "old", 0o640)
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Replace(link, []byte("new"), 0o600); err != nil {
		t.Error(err)
	}
	wantFile(t, path, "new", 0o640, 1)
	if to, err := os.Readlink(link); err != nil || to != "file" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

func TestWhatCannotBeReplacedIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                                  "is a directory: want a file",
		"/dev/null":                          "is a device, pipe or socket: want a regular file",
		dangling:                             "is a symbolic link to a file that does not exist",
		filepath.Join(dir, "nope", "file"):   "no such file or directory",
		filepath.Join(os.Args[0], "as", "a"): "not a directory",
	} {
		if err := atomicfile.Replace(path, nil, 0o600); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Replace(%s) = %v, want an error with %q", path, err, want)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was created behind the link: %v", err)
	}
}

func TestPreparedContentsTakeEffectOnlyWhenCommitted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	create(t, path, "old", 0o600)
	for _, end := range []struct {
		how  func(*atomicfile.File) error
		want string
	}{{(*atomicfile.File).Discard, "old"}, {(*atomicfile.File).Commit, "new"}} {
		f, err := atomicfile.Prepare(path, []byte("new"), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, "old", 0o600, 1)
		if err := end.how(f); err != nil {
			t.Error(err)
		}
		wantFile(t, path, end.want, 0o600, 0)
	}
}

func TestPublishReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "file")
	create(t, temp, "new", 0o600)
	create(t, path, "old", 0o600)
	if err := atomicfile.Publish(temp, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Publish over a file = %v, want ErrExist", err)
	}
	wantFile(t, path, "old", 0o600, 1)
	if err := errors.Join(os.Remove(path), atomicfile.Publish(temp, path)); err != nil {
		t.Error(err)
	}
	wantFile(t, path, "new", 0o600, 0)
}

func TestALockIsHeldOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	create(t, path, "", 0o600)
	open := func() *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, second := open(), open()
	defer second.Close()
	if !atomicfile.TryLock(first) || atomicfile.TryLock(second) {
		t.Error("the lock was not held once")
	}
	first.Close()
	if !atomicfile.TryLock(second) {
		t.Error("the lock was not released")
	}
}
