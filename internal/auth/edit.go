package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// EditFile changes the keys file at path. A file that does not exist is made. Whoever reads it sees it as it was or as
// it is, whole, also if the machine stops; of several who edit it each sees what the one before has done. If change
// fails, nothing is written.
func EditFile(path string, change func(*File) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // or the link would be replaced, and not what it points to
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

// replace puts a file of mode 0600 in the place of the one at path.
func replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // nothing, once it has its name
	_, err = temp.Write(data)
	if err = errors.Join(err, keepOwner(temp, path), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDirectory(dir)
}
