package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"key-value/client"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

// importEntry is an entry to write, and its position in the input.
type importEntry struct {
	key   string
	value []byte
	ttl   client.TTL // zero for none
	at    position
}

// expiredLine is the line of an entry that expired before it was imported.
type expiredLine struct {
	line int64
	at   time.Time
}

// importLines reads the lines of an export.
type importLines struct {
	in    *bufio.Scanner
	line  int64 // number of the last line read, from 1
	bytes int64 // bytes read so far
}

func newImportLines(in io.Reader) *importLines {
	l := &importLines{in: bufio.NewScanner(in)}
	l.in.Buffer(make([]byte, 1<<16), contract.MaxRequestBytes(maxValueBytes))
	return l
}

// next returns the next line, valid until the next call, and [io.EOF] at the end.
func (l *importLines) next() ([]byte, error) {
	if l.in.Scan() {
		text := l.in.Bytes()
		l.bytes += int64(len(text)) + 1
		if l.line++; l.line == 1 {
			text = messagejson.TrimMark(text)
		}
		return text, nil
	}
	switch err := l.in.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d exceeds the maximum length of an entry", l.line+1)
	default:
		return nil, fmt.Errorf("line %d: %w", l.line+1, err)
	}
}

// skip reads the lines up to from, and checks that the last of them is still the same entry.
func (l *importLines) skip(from position) error {
	for l.line < from.Line {
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot skip %d lines: the input has only %d", from.Line, l.line)
		}
		if err != nil {
			return err
		}
		if l.line < from.Line || from.Key == "" {
			continue
		}
		if entry, err := parseEntry(text); err != nil || entry.Key != from.Key {
			return fmt.Errorf("the file has changed: line %d is no longer the entry for %q; import without --resume", l.line, from.Key)
		}
	}
	return nil
}

// batch reads entries for one call. Together with the last batch it returns [io.EOF], or the error that ends the input.
// Entries that have expired at now are not written.
func (l *importLines) batch(now time.Time) (*importBatch, error) {
	b := &importBatch{keys: map[string]bool{}, written: make(chan struct{}), end: position{Line: l.line}}
	begin := l.bytes
	for len(b.entries) < importEntries && l.bytes-begin < importBytes {
		text, err := l.next()
		if err == nil {
			err = b.add(text, l.line, now)
		}
		if err != nil {
			return b, err
		}
		b.bytes = l.bytes
	}
	return b, nil
}

// add adds the entry on a line to the batch. Empty lines have none.
func (b *importBatch) add(text []byte, line int64, now time.Time) error {
	if len(bytes.TrimSpace(text)) == 0 {
		b.end = position{Line: line}
		return nil
	}
	parsed, err := parseEntry(text)
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	b.end = position{Line: line, Key: parsed.Key}
	entry := importEntry{key: parsed.Key, value: parsed.Data, at: b.end}
	if parsed.Value != nil {
		entry.value = []byte(*parsed.Value)
	}
	switch {
	case parsed.TTL != 0:
		entry.ttl = client.TTL(parsed.TTL)
	case !parsed.ExpireTime.IsZero():
		if entry.ttl = client.TTL(parsed.ExpireTime.Sub(now)); entry.ttl <= 0 {
			b.expired = append(b.expired, expiredLine{line, parsed.ExpireTime})
			return nil
		}
	}
	b.entries = append(b.entries, entry)
	b.keys[entry.key] = true
	return nil
}

// parseEntry parses a line of an export.
func parseEntry(text []byte) (entryJSON, error) {
	var entry entryJSON
	if err := messagejson.CheckMark(text); err != nil {
		return entry, fmt.Errorf("invalid entry: %w", err)
	}
	err := json.Unmarshal(text, &entry, json.RejectUnknownMembers(true))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return entry, errors.New("incomplete entry")
	case err != nil:
		return entry, fmt.Errorf("invalid entry: %s; want an object such as {\"key\":\"a\",\"value\":\"text\"}", entrySentence(err))
	case entry.Key == "":
		return entry, errors.New("invalid entry: no key")
	case (entry.Value == nil) == (entry.Data == nil):
		return entry, errors.New("invalid entry: want either value or data")
	}
	return entry, nil
}

// members are what the members of an entry are that are not just any string.
var members = map[jsontext.Pointer]string{
	"/data": "base64", "/revision": "a number in quotes", "/ttl": "a duration such as 90s, 5m, 24h or 7d",
	"/updateTime": "a time such as 2030-01-02T03:04:05Z", "/expireTime": "a time such as 2030-01-02T03:04:05Z",
}

// entrySentence describes an error of JSON that is not an entry.
func entrySentence(err error) string {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		switch {
		case errors.Is(e.Err, json.ErrUnknownName):
			return fmt.Sprintf("unknown member %q", e.JSONPointer.LastToken())
		case e.JSONPointer == "":
			return "it is not an object"
		}
		return fmt.Sprintf("%s is not %s", e.JSONPointer.LastToken(), cmp.Or(members[e.JSONPointer], "a string"))
	}
	return strings.TrimPrefix(err.Error(), "jsontext: ")
}
