package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"key-value/client"
	"key-value/internal/contract"
)

// importEntry is an entry to write.
type importEntry struct {
	key   string
	value []byte
	ttl   client.TTL // zero: none
	at    position
}

// importLines reads the lines of an export.
type importLines struct {
	in    *bufio.Scanner
	line  int64 // the latest one that was read, from 1
	bytes int64 // read so far
}

func newImportLines(in io.Reader) *importLines {
	l := &importLines{in: bufio.NewScanner(in)}
	l.in.Buffer(make([]byte, 1<<16), contract.MaxRequestBytes(maxValueBytes))
	return l
}

// next returns the next line, and [io.EOF] at the end.
func (l *importLines) next() ([]byte, error) {
	if l.in.Scan() {
		l.line++
		l.bytes += int64(len(l.in.Bytes())) + 1
		return l.in.Bytes(), nil
	}
	switch err := l.in.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d is longer than any entry", l.line+1)
	default:
		return nil, fmt.Errorf("line %d: %w", l.line+1, err)
	}
}

// skip passes over the lines up to from, and checks that the last one is the same as it was.
func (l *importLines) skip(from position) error {
	for l.line < from.Line {
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("there are %d lines, and not the %d that were to be passed over", l.line, from.Line)
		}
		if err != nil {
			return err
		}
		if l.line < from.Line || from.Key == "" {
			continue
		}
		if entry, err := parseEntry(text); err != nil || entry.Key != from.Key {
			return fmt.Errorf("line %d is not the entry of %q any more: the file was changed; import without --resume", l.line, from.Key)
		}
	}
	return nil
}

// batch reads entries for one call. With it comes [io.EOF] or another error if there is nothing to read behind it.
// Entries that expire before now are counted only.
func (l *importLines) batch(now time.Time) (*flight, error) {
	f := &flight{keys: map[string]bool{}, landed: make(chan struct{}), end: position{Line: l.line}}
	begin := l.bytes
	for len(f.entries) < importBatch && l.bytes-begin < importBatchBytes {
		text, err := l.next()
		if err == nil {
			err = f.add(text, l.line, now)
		}
		if err != nil {
			return f, err
		}
		f.bytes = l.bytes
	}
	return f, nil
}

// add takes a line into the batch. Empty ones hold nothing.
func (f *flight) add(text []byte, line int64, now time.Time) error {
	if len(bytes.TrimSpace(text)) == 0 {
		f.end = position{Line: line}
		return nil
	}
	parsed, err := parseEntry(text)
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	f.end = position{Line: line, Key: parsed.Key}
	entry := importEntry{key: parsed.Key, value: parsed.Data, at: f.end}
	if parsed.Value != nil {
		entry.value = []byte(*parsed.Value)
	}
	if !parsed.ExpireTime.IsZero() {
		if entry.ttl = client.TTL(parsed.ExpireTime.Sub(now)); entry.ttl <= 0 {
			f.expired++
			return nil
		}
	}
	f.entries = append(f.entries, entry)
	f.keys[entry.key] = true
	return nil
}

// parseEntry reads a line of an export.
func parseEntry(text []byte) (entryJSON, error) {
	var entry entryJSON
	err := json.Unmarshal(text, &entry, json.RejectUnknownMembers(true))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return entry, errors.New("the entry is cut off")
	case err != nil:
		return entry, fmt.Errorf("this is no entry, such as {\"key\":\"a\",\"value\":\"text\"}: %w", err)
	case entry.Key == "":
		return entry, errors.New("the entry has no key")
	case (entry.Value == nil) == (entry.Data == nil):
		return entry, errors.New("the entry must have either value or data")
	}
	return entry, nil
}
