package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"

	"key-value/internal/contract"
)

const (
	// lineStart is how each line of an export begins.
	lineStart = `{"key":"`
)

// errNoEntry is the error of a line that an export does not write.
var errNoEntry = errors.New(`is not an entry such as {"key":"a","value":"text"}`)

// checkExport reads a file and fails unless an export of prefix wrote it: lines of entries with ascending keys that begin
// with prefix. It returns the last key and where its entry ends, before which nothing may be cut, and whether a newline
// follows. What is after that is the beginning of another entry.
func checkExport(in io.Reader, prefix string) (last string, end int64, whole bool, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), contract.MaxRequestBytes(maxValueBytes))
	lines.Split(keepNewline)
	whole = true
	for n := 1; lines.Scan(); n++ {
		line, complete := bytes.CutSuffix(lines.Bytes(), []byte("\n"))
		entry, err := exportLine(line)
		torn := !complete && errors.Is(err, errTorn)
		switch {
		case torn && (len(line) > len(lineStart) || end > 0):
			err = fits(entry.Key, last, prefix, line)
		case errors.Is(err, errTorn):
			err = errNoEntry
		case err == nil:
			err = inOrder(entry.Key, last, prefix)
		}
		if err != nil {
			return "", 0, false, fmt.Errorf("line %d %w", n, err)
		}
		if !torn {
			last, end, whole = entry.Key, end+int64(len(lines.Bytes())), complete
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return "", 0, false, errors.New("a line is longer than any entry")
	}
	return last, end, whole, lines.Err()
}

// keepNewline is a [bufio.SplitFunc] for lines with their newlines.
func keepNewline(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// errTorn is the error of a line that ends too early.
var errTorn = errors.New("incomplete line")

// exportLine parses a line as an export writes it. The entry of a torn line has a key only if that is complete.
func exportLine(line []byte) (entryJSON, error) {
	begin := line[:min(len(line), len(lineStart))]
	if !strings.HasPrefix(lineStart, string(begin)) {
		return entryJSON{}, errNoEntry
	}
	var entry entryJSON
	err := json.Unmarshal(line, &entry, json.RejectUnknownMembers(true))
	switch torn := errors.Is(err, io.ErrUnexpectedEOF); {
	case entry.ETag != "" || !entry.UpdateTime.IsZero(), err != nil && !torn:
		return entryJSON{}, errNoEntry
	case torn:
		return entry, errTorn
	case entry.Key == "", (entry.Value == nil) == (entry.Data == nil), !bytes.HasSuffix(line, []byte("}")):
		return entryJSON{}, errNoEntry
	}
	return entry, nil
}

func inOrder(key, last, prefix string) error {
	switch {
	case !strings.HasPrefix(key, prefix):
		return fmt.Errorf("has the key %q", key)
	case key <= last:
		return fmt.Errorf("has the key %q after %q", key, last)
	}
	return nil
}

// fits reports whether a torn line can be the beginning of the entry after last. Its key is "" if that is torn too.
func fits(key, last, prefix string, line []byte) error {
	if key != "" {
		return inOrder(key, last, prefix)
	}
	begin, _, _ := strings.Cut(strings.TrimPrefix(string(line), lineStart), `\`)
	if len(line) > len(lineStart) && !strings.HasPrefix(begin, prefix) && !strings.HasPrefix(prefix, begin) {
		return errors.New("has another key")
	}
	return nil
}
