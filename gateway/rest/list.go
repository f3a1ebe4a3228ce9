package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// listValues serves GET and HEAD of the list of values with one page of it.
func (a *api) listValues(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offerOf(formatJSON)); err != nil {
		return err
	}
	req, err := listRequest(r.query)
	if err != nil {
		return err
	}
	return a.writeLarge(w, r, func(ctx context.Context, b []byte) ([]byte, error) {
		page, err := a.client.List(ctx, req)
		if err != nil {
			return nil, err
		}
		if token := page.GetNextPageToken(); token != "" {
			if link := nextLink(r, token); len(link) <= longestLink {
				w.Header()["Link"] = []string{link}
			}
		}
		return a.appendPage(r, b, page, req.GetDelimiter() != "")
	})
}

func listRequest(query url.Values) (*keyvaluev1.ListRequest, error) {
	req := &keyvaluev1.ListRequest{
		Prefix: query.Get("prefix"), Start: query.Get("start"), End: query.Get("end"), Delimiter: query.Get("delimiter"),
		PageToken: query.Get("pageToken"),
	}
	var err error
	if req.Reverse, err = parseBool(query, "reverse"); err != nil {
		return nil, err
	}
	if query.Has("pageSize") {
		if req.PageSize, err = parsePageSize(query.Get("pageSize")); err != nil {
			return nil, err
		}
	}
	if query.Has("view") {
		req.KeysOnly, err = parseView(query.Get("view"))
	}
	return req, err
}

// parsePageSize parses s. It reduces a number that is too large to the largest page size.
func parsePageSize(s string) (int32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, contract.RequestInvalid.Errorf("invalid pageSize %q: want a number from 1 to %d, or 0 for the default of %d",
			s, contract.MaxPageSize, contract.DefaultPageSize)
	}
	return int32(min(n, contract.MaxPageSize)), nil
}

// parseView reports whether s asks for keys without values.
func parseView(s string) (keysOnly bool, err error) {
	switch s {
	case "keys":
		return true, nil
	case "full":
		return false, nil
	}
	return false, contract.RequestInvalid.Errorf(`invalid view %q: want "full" or "keys"`, s)
}

// longestLink is the length of the longest Link header in bytes. Proxies reject responses whose headers do not fit into a
// buffer, which is 4 KiB in nginx. A page without the header still has its nextPageToken.
const longestLink = 2 << 10

// nextLink returns a Link header for the next page (RFC 8288). Escaping removes every character that could end the
// reference or the header.
func nextLink(r request, token string) string {
	query := maps.Clone(r.query)
	if query == nil {
		query = url.Values{}
	}
	query.Set("pageToken", token)
	return "<" + r.reference(r.URL.EscapedPath()) + "?" + query.Encode() + `>; rel="next"`
}

// appendPage appends page as JSON. It has prefixes, perhaps none, if the request has a delimiter.
func (a *api) appendPage(r request, b []byte, page *keyvaluev1.ListResponse, prefixes bool) ([]byte, error) {
	b, progress, err := begin(r, b, page, pageBytes(page))
	if err != nil {
		return nil, err
	}
	defer progress.end()
	b = append(b, `{"values":[`...)
	for i, entry := range page.GetEntries() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEntry(b, entry, withETag)
		if err := progress.grown(b); err != nil {
			return nil, err
		}
	}
	b = append(b, ']')
	if prefixes {
		b = append(b, `,"prefixes":[`...)
		for i, prefix := range page.GetPrefixes() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, prefix)
		}
		b = append(b, ']')
	}
	if token := page.GetNextPageToken(); token != "" {
		b = append(b, `,"nextPageToken":`...)
		b = appendString(b, token)
	}
	return append(b, '}'), nil
}

// entryBytes is roughly the size of an entry without its key and content: member names, etag, revision and expireTime.
const entryBytes = 160

// pageBytes estimates the size of a page in JSON. Allocating it at once avoids copies while it grows.
func pageBytes(page *keyvaluev1.ListResponse) int {
	n := 0
	for _, prefix := range page.GetPrefixes() {
		n += len(prefix) + len(`"",`)
	}
	for _, e := range page.GetEntries() {
		n += entryBytes + len(e.GetKey()) + len(e.GetValue()) + base64.StdEncoding.EncodedLen(len(e.GetData()))
	}
	return n
}
