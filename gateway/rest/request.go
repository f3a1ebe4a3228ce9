package rest

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/callctx"
	"key-value/internal/contract"
	"key-value/internal/observe/requestid"
)

// request is an HTTP request with a route.
type request struct {
	*http.Request
	Body    io.ReadCloser      // the body, charged to the account as it is read; shadows that of Request
	account *admission.Account // the memory that serving the request takes; may be nil
	ctx     context.Context    // the context of the request, with its principal
	key     string             // the key in the path; empty on a route without one
	query   url.Values         // parameters that the method accepts, each once
	dated   bool               // whether a response about an entry says when that was modified
	serving *serving
}

// serving is what serving a request takes, in one allocation. Each part is used at most once.
type serving struct {
	id       requestid.Context
	account  admission.Account
	recorder recorder
	call     callctx.Context
	get      keyvaluev1.GetRequest
	values   [4]string // of the headers about an entry
}

// Context returns the context of the request, with its principal. It shadows the method of [http.Request], whose context
// cannot be set without copying the request.
func (r request) Context() context.Context { return r.ctx }

// parseQuery reads a query in which every parameter must be one of known and appear once.
func parseQuery(raw string, known []string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, contract.RequestInvalid.Errorf("malformed query: %v", err)
	}
	for name, values := range query {
		if err := checkParameter(name, values, known); err != nil {
			return nil, err
		}
	}
	return query, nil
}

// malformed holds the reasons for values of parameters that are not UTF-8. The reason is REQUEST_INVALID for others.
var malformed = map[string]contract.Reason{
	"key":       contract.KeyInvalid,
	"prefix":    contract.KeyInvalid,
	"start":     contract.KeyInvalid,
	"end":       contract.KeyInvalid,
	"delimiter": contract.KeyInvalid,
	"pageToken": contract.PageTokenInvalid,
	"ttl":       contract.TTLInvalid,
}

func checkParameter(name string, values, known []string) error {
	switch times := len(values); {
	case !slices.Contains(known, name) && len(known) == 0:
		return contract.RequestInvalid.Errorf("unknown query parameter %q: this route has none", name)
	case !slices.Contains(known, name):
		return contract.RequestInvalid.Errorf("unknown query parameter %q: want one of %s",
			name, strings.Join(known, ", "))
	case times > 1:
		return contract.RequestInvalid.Errorf("query parameter %q is given %d times: give it once", name, times)
	case !utf8.ValidString(values[0]):
		return cmp.Or(malformed[name], contract.RequestInvalid).Errorf("query parameter %q is not UTF-8", name)
	}
	return nil
}

// decodeKey returns the key in the part of an escaped path after keyPrefix. It undoes percent-encoding exactly once
// and changes nothing else: slashes are not merged and dot segments are not resolved. The service enforces all other
// rules for keys.
func decodeKey(escaped string) (string, error) {
	key, err := url.PathUnescape(escaped)
	if err != nil {
		return "", contract.KeyInvalid.Errorf("invalid percent-encoding of the key: %v", err)
	}
	if !utf8.ValidString(key) {
		return "", contract.KeyInvalid.Errorf("invalid key %q: want UTF-8", key)
	}
	return key, nil
}

// keyPath returns the path of a key's own route. [decodeKey] is its inverse.
func keyPath(key string) string {
	return keyPrefix + (&url.URL{Path: key}).EscapedPath()
}

// byProxies are the headers that proxies add, in the order in which they are common.
var byProxies = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded", "Via"}

// reference returns a reference to the escaped path for the response to r, such as in a Location header. A proxy may serve
// the store below a path that it removes, so in a request that came through one it is relative to the URL of the request.
// It leads to the same place whoever sent the headers, so they need not be trusted.
func (r request) reference(path string) string {
	for _, name := range byProxies {
		if len(r.Header[name]) > 0 {
			return strings.Repeat("../", strings.Count(r.URL.EscapedPath(), "/")-1) + path[1:]
		}
	}
	return path
}
