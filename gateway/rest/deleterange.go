package rest

import (
	"net/http"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// deleteValues serves DELETE of a range of values.
func (a *api) deleteValues(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offerOf(formatJSON)); err != nil {
		return err
	}
	if err := rejectConditions(r.Header); err != nil {
		return err
	}
	req := &keyvaluev1.DeleteRangeRequest{
		Prefix: r.query.Get("prefix"), Start: r.query.Get("start"), End: r.query.Get("end"), PageToken: r.query.Get("pageToken"),
	}
	var err error
	if req.All, err = parseBool(r.query, "all"); err != nil {
		return err
	}
	if req.DryRun, err = parseBool(r.query, "dryRun"); err != nil {
		return err
	}
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	res, err := a.client.DeleteRange(ctx, req)
	if err != nil {
		return err
	}
	b := strconv.AppendInt([]byte(`{"deleted":`), res.GetDeleted(), 10)
	if token := res.GetNextPageToken(); token != "" {
		b = appendString(append(b, `,"nextPageToken":`...), token)
	}
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, append(b, "}\n"...))
	return nil
}
