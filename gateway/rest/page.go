package rest

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/limit"
	"key-value/internal/reason"
)

// listValues answers GET and HEAD of all values with a page of them.
func (a *api) listValues(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offerOf(formatJSON)); err != nil {
		return err
	}
	req, err := listRequest(r.query)
	if err != nil {
		return err
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	res, err := a.client.List(ctx, req)
	if err != nil {
		return err
	}
	setCommonHeaders(w.Header())
	if token := res.GetNextPageToken(); token != "" {
		w.Header()["Link"] = []string{nextLink(r, token)}
	}
	a.writeJSON(w, r, http.StatusOK, func(b []byte) []byte { return appendPage(b, res) })
	return nil
}

func listRequest(query url.Values) (*keyvaluev1.ListRequest, error) {
	req := &keyvaluev1.ListRequest{Prefix: query.Get("prefix"), PageToken: query.Get("pageToken")}
	var err error
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

// parsePageSize takes a number that is too large for the most that a page may have.
func parsePageSize(s string) (int32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, reason.RequestInvalid.Errorf("pageSize %q is not a number from 1 to %d, or 0 for %d",
			s, limit.PageSize, limit.DefaultPageSize)
	}
	return int32(min(n, limit.PageSize)), nil
}

// parseView reports whether values are to be left out.
func parseView(s string) (keysOnly bool, err error) {
	switch s {
	case "keys":
		return true, nil
	case "full":
		return false, nil
	}
	return false, reason.RequestInvalid.Errorf(`view %q is neither "full" nor "keys"`, s)
}

// nextLink is the same request for the next page (RFC 8288). Escaping leaves nothing that could end the
// reference or the header.
func nextLink(r request, token string) string {
	query := maps.Clone(r.query)
	if query == nil {
		query = url.Values{}
	}
	query.Set("pageToken", token)
	return "<" + r.URL.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
}

func appendPage(b []byte, page *keyvaluev1.ListResponse) []byte {
	b = append(b, `{"values":[`...)
	for i, entry := range page.GetEntries() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEntry(b, entry, withETag)
	}
	b = append(b, ']')
	if token := page.GetNextPageToken(); token != "" {
		b = append(b, `,"nextPageToken":`...)
		b = appendString(b, token)
	}
	return append(b, '}')
}
