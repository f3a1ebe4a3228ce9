package rest

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"key-value/internal/contract"
)

// parseQuery reads a query in which every parameter must be one of known and appear once.
func parseQuery(raw string, known []string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, contract.RequestInvalid.Errorf("the query is malformed: %v", err)
	}
	for name, values := range query {
		if err := checkParameter(name, values, known); err != nil {
			return nil, err
		}
	}
	return query, nil
}

// malformed has the reasons of parameters whose values are not UTF-8; those of all others are not valid requests.
var malformed = map[string]contract.Reason{
	"key":       contract.KeyInvalid,
	"prefix":    contract.KeyInvalid,
	"pageToken": contract.PageTokenInvalid,
	"ttl":       contract.TTLInvalid,
}

func checkParameter(name string, values, known []string) error {
	switch times := len(values); {
	case !slices.Contains(known, name) && len(known) == 0:
		return contract.RequestInvalid.Errorf("the query parameter %q is unknown; none is known here", name)
	case !slices.Contains(known, name):
		return contract.RequestInvalid.Errorf("the query parameter %q is unknown; known here: %s",
			name, strings.Join(known, ", "))
	case times > 1:
		return contract.RequestInvalid.Errorf("the query parameter %q is given %d times", name, times)
	case !utf8.ValidString(values[0]):
		return cmp.Or(malformed[name], contract.RequestInvalid).Errorf("the query parameter %q is not UTF-8", name)
	}
	return nil
}
