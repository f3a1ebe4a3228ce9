package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// EditFile changes the keys file at path, and creates it if it does not exist. Readers see the old or the new file, even
// after a crash, and concurrent edits are made one after the other. If change fails, nothing is written.
func EditFile(path string, change func(*File) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // replace the file, not the link to it
	}
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	f, err := ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &File{Version: fileVersion}, nil
	}
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	data, err := f.format()
	if err != nil {
		return err
	}
	return replace(path, data)
}

// replace atomically replaces the file at path by one of mode 0600.
func replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // has mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // fails once it is renamed
	_, err = temp.Write(data)
	if err = errors.Join(err, keepOwner(temp, path), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDirectory(dir)
}
