package messagejson

import "encoding/base64"

// quotedLen returns the length of s as a JSON string, without quotes.
func quotedLen(s string) int {
	n := len(s)
	if IsPlain(s) {
		return n
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// Length returns the length of content in JSON: text, or else data.
func Length(text string, data []byte) int {
	return quotedLen(text) + base64.StdEncoding.EncodedLen(len(data))
}
