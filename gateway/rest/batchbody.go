package rest

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// batchBody is the JSON body of a batch. What cannot be read in it refuses the batch as a whole; what can be
// read is judged by the service, for each operation by itself.
type batchBody struct {
	Operations operationBodies `json:"operations"`
	Atomic     bool            `json:"atomic"`
}

type operationBodies []operationBody

// UnmarshalJSONFrom stops reading at the first operation that is one too many.
func (o *operationBodies) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '[' {
		return json.UnmarshalDecode(dec, (*[]operationBody)(o)) // which says what is wrong
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if len(*o) == contract.MaxOperations {
			return contract.BatchTooLarge.Errorf("too many operations in the batch: want at most %d", contract.MaxOperations)
		}
		var operation operationBody
		if err := json.UnmarshalDecode(dec, &operation); err != nil {
			return err
		}
		*o = append(*o, operation)
	}
	_, err := dec.ReadToken()
	return err
}

// operationBody has one of its members.
type operationBody struct {
	Get       *getBody       `json:"get"`
	Set       *setBody       `json:"set"`
	Delete    *deleteBody    `json:"delete"`
	Touch     *touchKeyBody  `json:"touch"`
	Increment *incrementBody `json:"increment"`
}

type getBody struct {
	Key string `json:"key"`
}

type setBody struct {
	entryBody
	Precondition *preconditionBody `json:"precondition"`
}

type deleteBody struct {
	Key          string            `json:"key"`
	Precondition *preconditionBody `json:"precondition"`
}

type touchKeyBody struct {
	Key string `json:"key"`
	touchBody
	Precondition *preconditionBody `json:"precondition"`
}

// preconditionBody has one of its members. The etag is without the quotes that it has in a header.
type preconditionBody struct {
	ETag   *string `json:"etag"`
	Exists *bool   `json:"exists"`
}

func (b batchBody) request() (*keyvaluev1.BatchRequest, error) {
	req := &keyvaluev1.BatchRequest{Atomic: b.Atomic, Operations: make([]*keyvaluev1.Operation, len(b.Operations))}
	for i, body := range b.Operations {
		var err error
		if req.Operations[i], err = body.operation(); err != nil {
			return nil, contract.AtOperation(i, err)
		}
	}
	return req, nil
}

// operation returns an empty operation for an empty body.
func (b operationBody) operation() (*keyvaluev1.Operation, error) {
	var given []interface {
		operation() (*keyvaluev1.Operation, error)
	}
	if b.Get != nil {
		given = append(given, b.Get)
	}
	if b.Set != nil {
		given = append(given, b.Set)
	}
	if b.Delete != nil {
		given = append(given, b.Delete)
	}
	if b.Touch != nil {
		given = append(given, b.Touch)
	}
	if b.Increment != nil {
		given = append(given, b.Increment)
	}
	switch len(given) {
	case 0:
		return &keyvaluev1.Operation{}, nil
	case 1:
		return given[0].operation()
	}
	return nil, contract.RequestInvalid.Errorf("an operation must set exactly one of %s; got %d", contract.OperationNames, len(given))
}

func (b *getBody) operation() (*keyvaluev1.Operation, error) {
	get := &keyvaluev1.GetRequest{Key: b.Key}
	return contract.Get.Wrap(get), nil
}

func (b *setBody) operation() (*keyvaluev1.Operation, error) {
	set := &keyvaluev1.SetRequest{Key: b.Key}
	if err := b.addContent(set); err != nil {
		return nil, err
	}
	var err error
	if set.Ttl, err = parseTTLIfAny(b.TTL); err != nil {
		return nil, err
	}
	set.Precondition, err = b.Precondition.precondition()
	return contract.Set.Wrap(set), err
}

func (b *deleteBody) operation() (*keyvaluev1.Operation, error) {
	p, err := b.Precondition.precondition()
	del := &keyvaluev1.DeleteRequest{Key: b.Key, Precondition: p}
	return contract.Delete.Wrap(del), err
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

func (b *incrementBody) operation() (*keyvaluev1.Operation, error) {
	increment, err := b.request()
	return contract.Increment.Wrap(increment), err
}

// precondition returns nil for nil, and an empty precondition for an empty body.
func (b *preconditionBody) precondition() (*keyvaluev1.Precondition, error) {
	switch {
	case b == nil:
		return nil, nil
	case b.ETag != nil && b.Exists != nil:
		return nil, contract.RequestInvalid.Errorf("a precondition must set exactly one of etag and exists; got both")
	case b.ETag != nil:
		return mustBe(*b.ETag), nil
	case b.Exists != nil:
		return mustExist(*b.Exists), nil
	}
	return &keyvaluev1.Precondition{}, nil
}
