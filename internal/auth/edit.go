package auth

import (
	"errors"
	"io/fs"
	"path/filepath"

	"key-value/internal/atomicfile"
)

// EditFile changes the keys file at path, and creates it if it does not exist. Readers see the old or the new file, even
// after a crash, and concurrent edits are made one after the other.
//
// Ready, unless nil, is called when the new file is on disk and before it takes effect. If change or ready fails, nothing
// changes.
func EditFile(path string, change func(*File) error, ready func() error) error {
	path, err := atomicfile.Target(path) // whose directory is the one to lock
	if err != nil {
		return err
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
	edited, err := atomicfile.Prepare(path, data, 0o600)
	if err != nil {
		return err
	}
	if ready != nil {
		if err := ready(); err != nil {
			return errors.Join(err, edited.Discard())
		}
	}
	return edited.Commit()
}
