package rest

import (
	"encoding/base64"
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// appendString appends s as a JSON string. Bytes that are not UTF-8, which only text quoted from a bad
// request can have, become U+FFFD.
func appendString(b []byte, s string) []byte {
	if isPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// isPlain reports whether s stands for itself between quotes: it is UTF-8 and has nothing to escape (RFC 8259, section
// 7). Most strings are. If they are long, that is found in a fifth of the time that AppendQuote takes, which looks at every
// character.
func isPlain(s string) bool {
	i := 0
	for ; i <= len(s)-8; i += 8 {
		if anyEscaped(binary.LittleEndian.Uint64([]byte(s[i : i+8]))) {
			return false
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}

const (
	ones  = 0x0101010101010101 // each byte of a word is 1
	highs = 0x80 * ones        // and has its high bit set alone
)

// anyEscaped reports whether a byte of word has to be escaped. As in "Bit Twiddling Hacks" (Anderson), x-n sets the high
// bit of a byte less than n, and x^n makes a byte zero that is n.
func anyEscaped(word uint64) bool {
	quote, backslash := word^'"'*ones, word^'\\'*ones
	return ((word-' '*ones)&^word|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs != 0
}

// members says which members an entry has in JSON beside those that it always has. An answer about one entry
// has its etag in a header.
type members uint8

const (
	withETag members = 1 << iota
	withUpdateTime
)

// appendEntry appends an entry as a JSON object.
func appendEntry(b []byte, entry *keyvaluev1.Entry, extra members) []byte {
	b = append(b, `{"key":`...)
	b = appendString(b, entry.GetKey())
	switch content := entry.GetContent().(type) {
	case *keyvaluev1.Entry_Value:
		b = append(b, `,"value":`...)
		b = appendString(b, content.Value)
	case *keyvaluev1.Entry_Data:
		b = append(b, `,"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, content.Data)
		b = append(b, '"')
	}
	if extra&withETag != 0 {
		b = append(b, `,"etag":`...)
		b = appendString(b, entry.GetEtag())
	}
	if extra&withUpdateTime != 0 {
		b = appendTime(b, `,"updateTime":`, entry.GetUpdateTime())
	}
	return append(appendTime(b, `,"expireTime":`, entry.GetExpireTime()), '}')
}

// appendTime appends a member of an object, unless it is not set.
func appendTime(b []byte, name string, t *timestamppb.Timestamp) []byte {
	if t == nil {
		return b
	}
	b = append(append(b, name...), '"')
	return append(t.AsTime().AppendFormat(b, time.RFC3339Nano), '"')
}

// content returns what is stored, as bytes.
func content(entry *keyvaluev1.Entry) []byte {
	if data, ok := entry.GetContent().(*keyvaluev1.Entry_Data); ok {
		return data.Data
	}
	return []byte(entry.GetValue())
}

// isText reports whether what is stored is text.
func isText(entry *keyvaluev1.Entry) bool {
	_, ok := entry.GetContent().(*keyvaluev1.Entry_Value)
	return ok
}
