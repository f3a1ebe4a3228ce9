package etcd

import (
	"encoding/binary"
	"strconv"

	"key-value/internal/keyrange"
)

// names are the names of keys in etcd. All begin with the prefix of the engine, and what follows tells what they are:
//
//	e/KEY            the header of an entry, with its value unless that is long
//	v/KEY            the long value of an entry
//	x/DEADLINE+KEY   an index of entries by the instant at which they expire
//	j/RUN            the journal: what the latest transaction of one engine changed
//	format           the version of this layout
//
// The watch of changes needs e/ and j/, and nothing lies between these.
type names struct {
	entries, values, deadlines, journals string // with a slash at their ends
	format                               string
}

// formatVersion is the version of the layout in etcd.
const formatVersion = "1"

func newNames(prefix string) names {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	prefix += "/"
	return names{
		entries: prefix + "e/", values: prefix + "v/", deadlines: prefix + "x/", journals: prefix + "j/", format: prefix + "format",
	}
}

func (n names) entry(key string) []byte { return []byte(n.entries + key) }

func (n names) value(key string) []byte { return []byte(n.values + key) }

// deadline returns the name by which the entry of key is found when it expires, at an instant in nanoseconds of Unix time.
func (n names) deadline(expires int64, key string) []byte {
	b := append(make([]byte, 0, len(n.deadlines)+8+len(key)), n.deadlines...)
	return append(binary.BigEndian.AppendUint64(b, uint64(expires)), key...)
}

// due returns the key and the deadline that a name in the index has.
func (n names) due(name []byte) (key string, expires int64, ok bool) {
	rest := name[len(n.deadlines):]
	if len(rest) < 8 {
		return "", 0, false
	}
	return string(rest[8:]), int64(binary.BigEndian.Uint64(rest)), true
}

func (n names) journal(run uint64) []byte { return []byte(n.journals + base36(run)) }

// run returns the run whose journal has a name.
func (n names) run(name []byte) (uint64, bool) {
	run, err := strconv.ParseUint(string(name[len(n.journals):]), 36, 64)
	return run, err == nil
}

// end returns the first name after all that begin with a part of names, which ends with a slash.
func end(part string) []byte { return []byte(keyrange.After(part)) }

func base36(n uint64) string { return strconv.FormatUint(n, 36) }
