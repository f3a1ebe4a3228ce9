package rest

import (
	"strings"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Functions for fuzz targets.
var (
	DecodeKey = decodeKey
	KeyPath   = keyPath
	ParseTTL  = parseTTL

	PreferredWait = preferredWait
	AppendString  = appendString
)

// KeyPrefix is the prefix of the result of KeyPath.
const KeyPrefix = keyPrefix

// Negotiate returns the media type of the response.
func Negotiate(lines []string, text bool) (string, error) {
	f, err := negotiate(lines, text)
	o := offerOf(f)
	return strings.Join([]string{o.typ, o.subtype}, "/"), err
}

// DecodeEntry decodes a body that contains its key, and returns its members.
func DecodeEntry(body []byte) (key string, value *string, data []byte, err error) {
	var e entryBody
	err = decodeJSON(body, &e)
	return e.Key, e.Value, e.Data, err
}

// Status is the status code of a reason, and the title of its problem.
type Status struct {
	Code  int
	Title string
}

// Statuses returns the reasons that responses can have, :: reason → status.
func Statuses() map[string]Status {
	all := map[string]Status{}
	for r, s := range statuses {
		all[string(r)] = Status{s.code, s.title}
	}
	return all
}

// Parameters returns the query parameters that a route accepts.
func Parameters(r Route) []string {
	for _, route := range routeTable() {
		if m, ok := route.method(r.Method); ok && strings.TrimSuffix(r.Path, "{key}") == route.path {
			return m.query
		}
	}
	return nil
}

// DecodeBatch decodes the body of a batch.
func DecodeBatch(body []byte) (*keyvaluev1.BatchRequest, error) {
	var b batchBody
	if err := decodeJSON(body, &b); err != nil {
		return nil, err
	}
	return b.request()
}

// AppendResult appends the result of one operation of a batch.
func AppendResult(b []byte, result *keyvaluev1.OperationResult) []byte {
	return append(appendResult(append(b, '{'), result), '}')
}
