package rest

import (
	"net/http"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/contract/keystatsjson"
)

// getKeyStats serves what is hot, big and slow.
func (a *api) getKeyStats(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offerOf(formatJSON)); err != nil {
		return err
	}
	req := &keyvaluev1.GetKeyStatsRequest{Delimiter: r.query.Get("delimiter")}
	if text := r.query.Get("limit"); r.query.Has("limit") {
		limit, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return contract.RequestInvalid.Errorf("invalid limit %q: want a number from 1 to 100, or 0 for the default of 20", text)
		}
		req.Limit = int32(limit)
	}
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	res, err := a.client.GetKeyStats(ctx, req)
	if err != nil {
		return err
	}
	body, err := keystatsjson.Marshal(res)
	if err != nil {
		return err
	}
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	w.Header().Add("Vary", "Accept-Encoding")
	if AcceptsGzip(r.Header["Accept-Encoding"]) {
		body = Compress(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	writeBody(w, r.Request, http.StatusOK, body)
	return nil
}
