package rest

import "strings"

// What the fuzz targets reach.
var (
	DecodeKey = decodeKey
	KeyPath   = keyPath
	ParseTTL  = parseTTL
)

// KeyPrefix is what KeyPath begins with.
const KeyPrefix = keyPrefix

// ETags parses the lines of a header and returns its etags as they would be written, or "*".
func ETags(lines []string) ([]string, error) {
	list, err := parseETags("If-Match", lines)
	if list.any {
		return []string{"*"}, err
	}
	var written []string
	for _, tag := range list.tags {
		prefix := ""
		if tag.weak {
			prefix = "W/"
		}
		written = append(written, prefix+`"`+tag.opaque+`"`)
	}
	return written, err
}

// Negotiate returns the media type of the answer.
func Negotiate(lines []string, text bool) (string, error) {
	f, err := negotiate(lines, text)
	o := offerOf(f)
	return strings.Join([]string{o.typ, o.subtype}, "/"), err
}

// DecodeEntry decodes a body that names its key, and returns what it has.
func DecodeEntry(body []byte) (key string, value *string, data []byte, err error) {
	var e entryBody
	err = decodeJSON(body, &e)
	return e.Key, e.Value, e.Data, err
}
