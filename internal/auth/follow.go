package auth

import (
	"io/fs"
	"os"
	"time"
)

// interval is how often the keys file is looked at, and with it the calls that last.
const interval = time.Second

// fileState is what tells one version of a file from another.
type fileState struct {
	info fs.FileInfo // nil: it could not be read
	err  string      // why the last attempt to read it failed; empty: it did not
}

// same reports whether the file that info is about is the one of s.
func (s fileState) same(info fs.FileInfo) bool {
	return s.info != nil && os.SameFile(s.info, info) && s.info.Size() == info.Size() &&
		s.info.ModTime().Equal(info.ModTime()) && s.info.Mode() == info.Mode()
}

// Follow reads the keys file again when it changes, and ends calls whose keys are not valid any more, until stop is
// called. When the file cannot be read, the keys stay as they are.
func (k *Keys) Follow() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				k.reload()
				k.review(time.Now())
			}
		}
	}()
	return func() { close(quit); <-done }
}

// reload reads the file again if it has changed, or if it could not be read the last time. It logs a failure once, and not
// as long as it lasts.
func (k *Keys) reload() {
	if k.file == "" {
		return
	}
	info, err := os.Stat(k.file)
	if err == nil {
		if k.read.same(info) {
			return
		}
		err = k.load()
	}
	switch {
	case err == nil:
		k.log.Info("the keys file was read again", "file", k.file, "keys", len(k.set.Load().keys))
	case err.Error() != k.read.err:
		k.failedReloads.Add(1)
		k.log.Error("the keys file cannot be read again; the keys stay as they were", "file", k.file, "error", err)
		k.read = fileState{err: err.Error()}
	}
}

// load reads the file. It looks at the file's state first, so that a change in between is seen the next time.
func (k *Keys) load() error {
	info, err := os.Stat(k.file)
	if err != nil {
		return err
	}
	f, err := ReadFile(k.file)
	if err != nil {
		return err
	}
	k.set.Store(newSet(k, f, k.set.Load()))
	k.read = fileState{info: info}
	return nil
}
