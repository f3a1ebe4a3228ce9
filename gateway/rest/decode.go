package rest

import (
	"errors"

	"connectrpc.com/connect/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// valueBody is the JSON body of a PUT of a key. A member that is null is as good as absent.
type valueBody struct {
	Value *string `json:"value"`
	Data  []byte  `json:"data"` // in base64
	TTL   *string `json:"ttl"`
}

// entryBody is the JSON body of a PUT that names its key.
type entryBody struct {
	Key string `json:"key"`
	valueBody
}

// setRequest returns the request to write b under key.
func (b valueBody) setRequest(r request, key string) (*keyvaluev1.SetRequest, error) {
	ttl, err := r.ttl(b.TTL)
	if err != nil {
		return nil, err
	}
	set := &keyvaluev1.SetRequest{Key: key, Ttl: ttl}
	if err := b.addContent(set); err != nil {
		return nil, err
	}
	if set.Content == nil {
		return nil, contract.ValueInvalid.Errorf(`the body has neither value nor data; for an empty value, send "value":""`)
	}
	return set, nil
}

// addContent leaves the content of set unset if b has none.
func (b valueBody) addContent(set *keyvaluev1.SetRequest) error {
	switch {
	case b.Value != nil && b.Data != nil:
		return contract.RequestInvalid.Errorf("there is both a value and data")
	case b.Value != nil:
		set.Content = &keyvaluev1.SetRequest_Value{Value: *b.Value}
	case b.Data != nil:
		setContent(set, b.Data)
	}
	return nil
}

// decodeJSON reads one JSON value that fills into exactly: no unknown or repeated member, no other type,
// nothing behind it, and only Unicode. An error that a part of into has coded itself stays as it is.
func decodeJSON(body []byte, into any) error {
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*connect.Error](err); ok {
		return refused
	}
	offset, pointer, what := describe(err)
	if pointer == "" {
		return contract.RequestInvalid.Errorf("the JSON body is wrong at byte %d: %s", offset, what)
	}
	return contract.RequestInvalid.Errorf("the JSON body is wrong at byte %d, field %s: %s", offset, pointer, what)
}

// describe says where in the JSON text and why err came about, without the names of Go types.
func describe(err error) (offset int64, pointer jsontext.Pointer, what string) {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return e.ByteOffset, e.JSONPointer, e.Err.Error()
	}
	e, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case !ok:
		return 0, "", "it cannot be read"
	case e.Err != nil:
		return e.ByteOffset, e.JSONPointer, e.Err.Error()
	}
	return e.ByteOffset, e.JSONPointer, "unexpected " + typeName(e.JSONKind)
}

func typeName(k jsontext.Kind) string {
	switch k {
	case '{', '}':
		return "object"
	case '[', ']':
		return "array"
	case 't', 'f':
		return "boolean"
	}
	return k.String()
}
