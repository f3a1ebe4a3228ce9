package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"key-value/internal/atomicfile"
)

// partialSuffix names the file of an export that is not complete, next to the file it becomes.
const partialSuffix = ".partial"

// exportFile is the file that an export writes to.
type exportFile struct {
	*os.File
	name  string // that the file gets when the export is complete; "" if it has it already
	last  string // key of the last entry in the file; "" for none
	end   int64  // of that entry: where the export continues, and what follows is cut
	whole bool   // a newline follows that entry
	fresh bool   // it did not exist before
	begun bool   // the file was changed
}

// openExport opens the file of an export. A new file is written under another name until it is complete. With resume, it
// continues a file that has entries with the prefix in key order, and refuses all others.
func openExport(name, prefix string, resume bool) (*exportFile, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newExportFile(name, prefix, resume)
	case err != nil:
		return nil, err
	case info.IsDir(), resume && !info.Mode().IsRegular():
		return nil, atomicfile.CheckRegular(name, info)
	case !info.Mode().IsRegular():
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &exportFile{File: file, begun: true}, err
	case !resume:
		return nil, fmt.Errorf("%s already exists: use --resume to continue it, or another name", name)
	}
	if _, err := os.Lstat(name + partialSuffix); err == nil {
		return nil, fmt.Errorf("both %s and %[1]s%s exist: delete the one not to continue", name, partialSuffix)
	}
	return continueExport(name, prefix, "")
}

// newExportFile opens the file of an export whose name does not exist, unless as a link.
func newExportFile(name, prefix string, resume bool) (*exportFile, error) {
	if _, err := atomicfile.Target(name); err != nil {
		return nil, err
	}
	partial := name + partialSuffix
	if _, err := os.Lstat(partial); err == nil {
		if resume {
			return continueExport(partial, prefix, name)
		}
		return nil, fmt.Errorf("%s exists, from an export that was interrupted: use --resume to continue it, or delete it", partial)
	}
	file, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &exportFile{File: file, name: name, fresh: true, begun: true}, lockExport(file)
}

// continueExport opens an existing file. Nothing is changed in it until there is something to write, or the export ends.
func continueExport(file, prefix, name string) (*exportFile, error) {
	in, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	f := &exportFile{File: in, name: name}
	if err = lockExport(in); err == nil {
		err = f.check(prefix)
	}
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return f, nil
}

// lockExport keeps two exports from writing to one file.
func lockExport(file *os.File) error {
	if !atomicfile.TryLock(file) {
		return fmt.Errorf("another export is writing %s", file.Name())
	}
	return nil
}

// check reads the file, which must be an export, and finds where it continues.
func (f *exportFile) check(prefix string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := atomicfile.CheckRegular(f.Name(), info); err != nil {
		return err
	}
	if f.last, f.end, f.whole, err = checkExport(f.File, prefix); err != nil {
		what := "all keys"
		if prefix != "" {
			what = fmt.Sprintf("keys that begin with %q", prefix)
		}
		return fmt.Errorf("%s is not an export of %s: %w; the file is unchanged", f.Name(), what, err)
	}
	return nil
}

// Write appends p. The first call cuts what follows the last entry.
func (f *exportFile) Write(p []byte) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *exportFile) begin() error {
	if f.begun {
		return nil
	}
	f.begun = true
	if err := f.Truncate(f.end); err != nil {
		return err
	}
	if _, err := f.Seek(f.end, io.SeekStart); err != nil {
		return err
	}
	if f.whole {
		return nil
	}
	_, err := io.WriteString(f.File, "\n")
	return err
}

// finish closes the file after an export that ended with err and wrote some entries or none. It returns nil only if the
// file is complete, has its name and is on disk.
func (f *exportFile) finish(err error, wrote bool) error {
	if err == nil {
		err = f.begin()
	}
	info, statErr := f.Stat()
	if statErr == nil && info.Mode().IsRegular() { // devices and pipes cannot be flushed
		err = errors.Join(err, f.Sync())
	}
	err = errors.Join(err, statErr, f.Close())
	switch {
	case err != nil && f.fresh && !wrote: // an empty file would block the next attempt
		return errors.Join(err, os.Remove(f.Name()))
	case err != nil || f.name == "":
		return err
	}
	err = atomicfile.Publish(f.Name(), f.name)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s was created during the export: the complete export is %s", f.name, f.Name())
	}
	return err
}
