package rest

import (
	"net/http"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// incrementBody is the JSON body of an increment.
type incrementBody struct {
	Key     string   `json:"key"`
	Delta   *integer `json:"delta"`
	Initial *integer `json:"initial"` // nil: 0
	TTL     *string  `json:"ttl"`
}

func (b incrementBody) request() (*keyvaluev1.IncrementRequest, error) {
	if b.Delta == nil {
		return nil, contract.RequestInvalid.Errorf(`delta is missing; send "delta":1 to add one`)
	}
	ttl, err := parseTTLIfAny(b.TTL)
	if err != nil {
		return nil, err
	}
	req := &keyvaluev1.IncrementRequest{Key: b.Key, Delta: int64(*b.Delta), Ttl: ttl}
	if b.Initial != nil {
		req.Initial = int64(*b.Initial)
	}
	return req, nil
}

// increment answers with the entry as a GET would show it: the sum is the value, in decimal text.
func (a *api) increment(w http.ResponseWriter, r request) error {
	if err := refuseConditions(r.Header); err != nil {
		return err
	}
	var body incrementBody
	if err := a.jsonOf(w, r, &body, contract.ValueTooLarge); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	res, err := a.client.Increment(ctx, req)
	if err != nil {
		return err
	}
	entry := res.GetEntry()
	entry.Content = &keyvaluev1.Entry_Value{Value: strconv.FormatInt(res.GetValue(), 10)}
	a.writeEntry(w, r, http.StatusOK, entry, formatJSON)
	return nil
}
