package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/go-json-experiment/json"
)

// openExport opens a new file, or one to go on with behind its last whole line, of which it returns the key. A last line
// that has no end is cut off.
func openExport(name string, resume bool) (file *os.File, last string, err error) {
	flags := os.O_RDWR | os.O_CREATE
	if !resume {
		flags |= os.O_EXCL
	}
	file, err = os.OpenFile(name, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, "", fmt.Errorf("%s is there already: --resume goes on with it; or choose another name", name)
	}
	if err != nil || !resume {
		return file, "", err
	}
	if last, err = continueExport(file); err != nil {
		return nil, "", errors.Join(fmt.Errorf("%s: %w", name, err), file.Close())
	}
	return file, last, nil
}

// continueExport moves to the end of the last whole line and returns its key.
func continueExport(file *os.File) (string, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	end, err := breakBefore(file, size)
	if err != nil {
		return "", err
	}
	start, err := breakBefore(file, max(0, end-1))
	if err != nil {
		return "", err
	}
	line := make([]byte, end-start)
	if _, err := file.ReadAt(line, start); err != nil {
		return "", err
	}
	var entry entryJSON
	if len(line) != 0 {
		if err := json.Unmarshal(line, &entry); err != nil || entry.Key == "" {
			return "", errors.New("its last line is no entry, so that it is no export to go on with")
		}
	}
	if err := file.Truncate(end); err != nil {
		return "", err
	}
	_, err = file.Seek(end, io.SeekStart)
	return entry.Key, err
}

// breakBefore returns where the last line break before end ends; zero if there is none.
func breakBefore(file *os.File, end int64) (int64, error) {
	const step = 1 << 16
	for end > 0 {
		start := max(0, end-step)
		chunk := make([]byte, end-start)
		if _, err := file.ReadAt(chunk, start); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}
