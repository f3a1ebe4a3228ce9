package rest

import (
	"net/url"
	"slices"
	"strings"

	"key-value/internal/reason"
)

// parseQuery reads a query in which every parameter must be one of known and appear once.
func parseQuery(raw string, known []string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, reason.RequestInvalid.Errorf("the query is malformed: %v", err)
	}
	for name, values := range query {
		if err := checkParameter(name, len(values), known); err != nil {
			return nil, err
		}
	}
	return query, nil
}

func checkParameter(name string, times int, known []string) error {
	switch {
	case !slices.Contains(known, name) && len(known) == 0:
		return reason.RequestInvalid.Errorf("the query parameter %q is unknown; none is known here", name)
	case !slices.Contains(known, name):
		return reason.RequestInvalid.Errorf("the query parameter %q is unknown; known here: %s",
			name, strings.Join(known, ", "))
	case times > 1:
		return reason.RequestInvalid.Errorf("the query parameter %q is given %d times", name, times)
	}
	return nil
}
