package rest

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// incrementBody is the JSON body of an increment.
type incrementBody struct {
	Key     string   `json:"key"`
	Delta   *integer `json:"delta"`
	Initial *integer `json:"initial"` // nil: 0
	TTL     *ttlText `json:"ttl"`
}

func (b incrementBody) request() (*keyvaluev1.IncrementRequest, error) {
	if b.Delta == nil {
		return nil, contract.RequestInvalid.Errorf(`missing delta: send "delta":1 to add one`)
	}
	ttl, err := parseTTLIfAny(b.TTL, contract.MaxTTL)
	if err != nil {
		return nil, err
	}
	req := &keyvaluev1.IncrementRequest{Key: b.Key, Delta: int64(*b.Delta), Ttl: ttl}
	if b.Initial != nil {
		req.Initial = int64(*b.Initial)
	}
	return req, nil
}

func (b *incrementBody) operation() (*keyvaluev1.Operation, error) {
	increment, err := b.request()
	return contract.Increment.Wrap(increment), err
}

// increment serves POST of an increment with the entry as GET would return it: its value is the sum, in decimal.
func (a *api) increment(w http.ResponseWriter, r request) error {
	if err := rejectConditions(r.Header); err != nil {
		return err
	}
	var body incrementBody
	if err := a.requireJSON(w, r, &body, `{"key":"visits","delta":1}`, contract.ValueTooLarge); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	r.account.MustAnswer()
	res, err := a.client.Increment(ctx, req)
	if err != nil {
		return err
	}
	entry := res.GetEntry()
	entry.Content = &keyvaluev1.Entry_Value{Value: strconv.FormatInt(res.GetValue(), 10)}
	return a.writeEntry(w, r, http.StatusOK, entry, formatJSON)
}

var errInteger = errors.New("want a 64-bit integer, as a number or a string")

// integer is a signed 64-bit integer, in JSON a number or a string of decimal digits: most languages decode JSON numbers
// as floats, which hold 53 bits.
type integer int64

// UnmarshalJSONFrom rejects fractions and exponents, even if the number is an integer.
func (i *integer) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if k := token.Kind(); k != '0' && k != '"' {
		return errInteger
	}
	n, err := strconv.ParseInt(token.String(), 10, 64)
	if err != nil {
		return errInteger
	}
	*i = integer(n)
	return nil
}
