// Package atomicfile replaces files so that readers, and a crash of the machine, find the old contents or the new ones.
//
// New contents go to a temporary file in the same directory, which is flushed to disk and then renamed. A file that is
// replaced keeps its mode and owner, and a symbolic link to it stays a link. Whatever fails, the old file is left as it was.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Target returns the path of the file to replace for path: path itself, or what a symbolic link there leads to. It fails if
// a link leads nowhere, and if something other than a regular file is there. The file need not exist.
func Target(path string) (string, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is a symbolic link to a file that does not exist: create that file, or remove the link", path)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	return real, CheckRegular(path, info)
}

// CheckRegular returns an error that says what the file at path is, unless it is a regular one.
func CheckRegular(path string, info fs.FileInfo) error {
	switch {
	case info.Mode().IsRegular():
		return nil
	case info.IsDir():
		return fmt.Errorf("%s is a directory: want a file", path)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: want a regular file", path)
	}
	return fmt.Errorf("%s is a device, pipe or socket: want a regular file", path)
}

// Replace replaces the file at path, or creates it with mode perm.
func Replace(path string, data []byte, perm fs.FileMode) error {
	f, err := Prepare(path, data, perm)
	if err != nil {
		return err
	}
	return f.Commit()
}

// File is the new contents of a file, on disk but not yet in effect. It must be committed or discarded.
type File struct{ temp, target string }

// Prepare writes the new contents of the file at path, which gets mode perm if it does not exist.
func Prepare(path string, data []byte, perm fs.FileMode) (*File, error) {
	target, err := Target(path)
	if err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*") // has mode 0600
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	f := &File{temp.Name(), target}
	_, err = temp.Write(data)
	if err = errors.Join(err, likeBefore(temp, target, perm), temp.Sync(), temp.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Discard())
	}
	return f, nil
}

// Commit puts the new contents into effect.
func (f *File) Commit() error {
	if err := os.Rename(f.temp, f.target); err != nil {
		return errors.Join(err, f.Discard())
	}
	return syncDirectory(filepath.Dir(f.target))
}

// Discard removes the new contents. The old ones stay.
func (f *File) Discard() error { return os.Remove(f.temp) }

// likeBefore gives temp the owner and mode of the file at target, or mode perm if there is none.
func likeBefore(temp *os.File, target string, perm fs.FileMode) error {
	before, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return temp.Chmod(perm)
	case err != nil:
		return err
	}
	return errors.Join(keepOwner(temp, before), temp.Chmod(before.Mode().Perm()))
}

// Publish renames the file at temp to path. It fails with [fs.ErrExist] if something is there.
func Publish(temp, path string) error {
	err := os.Link(temp, path) // unlike a rename, never replaces a file
	switch {
	case err == nil:
		err = os.Remove(temp)
	case errors.Is(err, fs.ErrExist):
		return err
	default: // a file system without hard links
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fs.ErrExist, err)
		}
		err = os.Rename(temp, path)
	}
	return errors.Join(err, syncDirectory(filepath.Dir(path)))
}
