package rest

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// acceptPatch is what a PATCH may be sent as (RFC 5789, section 3.1).
var acceptPatch = []string{mediaJSON + ", " + mediaMerge}

// touchBody is the JSON body of a PATCH, which is a JSON merge patch (RFC 7396) of the one thing about an
// entry that can be changed by itself.
type touchBody struct {
	TTL givenTTL `json:"ttl"`
}

// givenTTL is a TTL that must be given. It is null for ever, so null is not as good as absent.
type givenTTL struct {
	given bool
	text  *string // nil: for ever
}

// UnmarshalJSONFrom is called only if the member is there.
func (t *givenTTL) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	t.given = true
	return json.UnmarshalDecode(dec, &t.text)
}

func (t givenTTL) parse() (*durationpb.Duration, error) {
	if !t.given {
		return nil, contract.RequestInvalid.Errorf(`missing ttl: send "ttl":"5m" to set a TTL, or "ttl":null to remove it`)
	}
	return parseTTLIfAny(t.text)
}

// patchValue answers PATCH of a key with the entry as it is now, without its content.
func (a *api) patchValue(w http.ResponseWriter, r request) error {
	ttl, err := a.patchOf(w, r)
	if err != nil {
		return err
	}
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	var res *keyvaluev1.TouchResponse
	err = a.conditionally(ctx, r.key, c, func(p *keyvaluev1.Precondition) (err error) {
		res, err = a.client.Touch(ctx, &keyvaluev1.TouchRequest{Key: r.key, Ttl: ttl, Precondition: p})
		return err
	})
	if err != nil {
		return err
	}
	a.writeEntry(w, r, http.StatusOK, res.GetEntry(), formatJSON)
	return nil
}

func (a *api) patchOf(w http.ResponseWriter, r request) (*durationpb.Duration, error) {
	if _, err := mediaType(w, r.Header, mediaJSON, mediaMerge); err != nil {
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

// ttl returns how long the entry is to live: what the query says, or else inBody, which is nil if the body
// says nothing. It returns nil for ever.
func (r request) ttl(inBody *string) (*durationpb.Duration, error) {
	inQuery := r.query.Has("ttl")
	switch {
	case inQuery && inBody != nil:
		return nil, contract.RequestInvalid.Errorf("both the query and the body set ttl: set it once")
	case inQuery:
		return parseTTL(r.query.Get("ttl"))
	}
	return parseTTLIfAny(inBody)
}

// parseTTLIfAny is parseTTL, and nil for nil.
func parseTTLIfAny(s *string) (*durationpb.Duration, error) {
	if s == nil {
		return nil, nil
	}
	return parseTTL(*s)
}

// parseTTL reads a duration in Go's syntax. Whether it is long or short enough is the service's to say;
// a duration that no int64 of nanoseconds can hold is refused here.
func parseTTL(s string) (*durationpb.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, contract.TTLInvalid.Errorf(
			`invalid ttl %q: want a duration such as "90s", "5m" or "1h30m", more than 0 and at most "87600h"`, s)
	}
	return durationpb.New(d), nil
}
