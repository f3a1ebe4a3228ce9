package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

// acceptPatch is the Accept-Patch header, the media types of a PATCH (RFC 5789, section 3.1).
var acceptPatch = []string{mediaJSON + ", " + mediaMerge}

// touchBody is the JSON body of a PATCH: a JSON merge patch (RFC 7396) of the TTL, the only part of an entry that can
// change by itself.
type touchBody struct {
	TTL givenTTL `json:"ttl"`
}

// givenTTL is a required TTL. Null means no TTL, so it differs from an absent member.
type givenTTL struct {
	given bool
	text  *ttlText // nil: no TTL
}

// ttlText is a TTL in JSON.
type ttlText string

// UnmarshalJSONFrom rejects a number with a hint, because that is what most other stores take.
func (t *ttlText) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '0' {
		return json.UnmarshalDecode(dec, (*string)(t))
	}
	number, err := dec.ReadToken()
	if err != nil {
		return err
	}
	return messagejson.NumberAsDuration(number.String())
}

// UnmarshalJSONFrom is called only if the member is present.
func (t *givenTTL) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	t.given = true
	return json.UnmarshalDecode(dec, &t.text)
}

func (t givenTTL) parse() (*durationpb.Duration, error) {
	if !t.given {
		return nil, contract.RequestInvalid.Errorf(`missing ttl: send "ttl":"5m" to set a TTL, or "ttl":null to remove it`)
	}
	return parseTTLIfAny(t.text, contract.MaxTTL)
}

// patchValue serves PATCH of a key with the changed entry, without its content.
func (a *api) patchValue(w http.ResponseWriter, r request) error {
	ttl, err := a.readPatch(w, r)
	if err != nil {
		return err
	}
	c, err := parseWriteCondition(r.Header)
	if err != nil {
		return err
	}
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	r.account.MustAnswer()
	var res *keyvaluev1.TouchResponse
	err = a.conditionally(ctx, r.key, c, func(p *keyvaluev1.Precondition) (err error) {
		res, err = a.client.Touch(ctx, &keyvaluev1.TouchRequest{Key: r.key, Ttl: ttl, Precondition: p})
		return err
	})
	if err != nil {
		return err
	}
	return a.writeEntry(w, r, http.StatusOK, res.GetEntry(), formatJSON)
}

func (a *api) readPatch(w http.ResponseWriter, r request) (*durationpb.Duration, error) {
	if _, err := mediaType(w, r.Header, `JSON such as {"ttl":"5m"}`, mediaJSON, mediaMerge); err != nil {
		w.Header()["Accept-Patch"] = acceptPatch
		return nil, err
	}
	var body touchBody
	if err := a.readJSON(w, r, &body, contract.ValueTooLarge); err != nil {
		return nil, err
	}
	return body.TTL.parse()
}

type touchKeyBody struct {
	Key string `json:"key"`
	touchBody
	Precondition *preconditionBody `json:"precondition"`
}

func (b *touchKeyBody) operation() (*keyvaluev1.Operation, error) {
	ttl, err := b.TTL.parse()
	if err != nil {
		return nil, err
	}
	p, err := b.Precondition.precondition()
	touch := &keyvaluev1.TouchRequest{Key: b.Key, Ttl: ttl, Precondition: p}
	return contract.Touch.Wrap(touch), err
}

// parseTTLIfAny is [parseTTL], except that it returns nil for nil.
func parseTTLIfAny(s *ttlText, most time.Duration) (*durationpb.Duration, error) {
	if s == nil {
		return nil, nil
	}
	return parseTTL(string(*s), most)
}

// parseTTL parses a duration in the syntax of [time.ParseDuration]. It does not enforce the bounds of TTLs, of which most is
// what an error says; only a duration that overflows an int64 of nanoseconds is rejected here.
func parseTTL(s string, most time.Duration) (*durationpb.Duration, error) {
	d, err := time.ParseDuration(s)
	if _, unit := strconv.ParseFloat(s, 64); err != nil && unit == nil {
		return nil, contract.TTLInvalid.Errorf(`invalid ttl %q: want a duration with a unit, such as %q`, s, s+"s")
	}
	if err != nil {
		return nil, contract.TTLInvalid.Errorf(
			`invalid ttl %q: want a duration such as "90s", "5m" or "1h30m", more than 0 and at most "%.0fh"`, s, most.Hours())
	}
	return durationpb.New(d), nil
}
