package rest

import (
	"errors"
	"strconv"

	"connectrpc.com/connect/v2"
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
			return contract.BatchTooLarge.Errorf("a batch has at most %d operations", contract.MaxOperations)
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
			return nil, atOperation(i, err)
		}
	}
	return req, nil
}

// atOperation says which operation err is about, in the way in which the service does.
func atOperation(index int, err error) error {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	i := strconv.Itoa(index)
	return contract.ReasonOf(err).NewError(e.Code(), map[string]string{"operation": i}, "operation "+i+": "+e.Message())
}

// operation returns an empty operation for an empty body.
func (b operationBody) operation() (*keyvaluev1.Operation, error) {
	var parts []interface {
		operation() (*keyvaluev1.Operation, error)
	}
	if b.Get != nil {
		parts = append(parts, b.Get)
	}
	if b.Set != nil {
		parts = append(parts, b.Set)
	}
	if b.Delete != nil {
		parts = append(parts, b.Delete)
	}
	if b.Touch != nil {
		parts = append(parts, b.Touch)
	}
	if b.Increment != nil {
		parts = append(parts, b.Increment)
	}
	switch len(parts) {
	case 0:
		return &keyvaluev1.Operation{}, nil
	case 1:
		return parts[0].operation()
	}
	return nil, contract.RequestInvalid.Errorf("it is %d operations at once", len(parts))
}

func (b *getBody) operation() (*keyvaluev1.Operation, error) {
	get := &keyvaluev1.GetRequest{Key: b.Key}
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: get}}, nil
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
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Set{Set: set}}, err
}

func (b *deleteBody) operation() (*keyvaluev1.Operation, error) {
	p, err := b.Precondition.precondition()
	del := &keyvaluev1.DeleteRequest{Key: b.Key, Precondition: p}
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Delete{Delete: del}}, err
}

func (b *touchKeyBody) operation() (*keyvaluev1.Operation, error) {
	ttl, err := b.TTL.parse()
	if err != nil {
		return nil, err
	}
	p, err := b.Precondition.precondition()
	touch := &keyvaluev1.TouchRequest{Key: b.Key, Ttl: ttl, Precondition: p}
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Touch{Touch: touch}}, err
}

func (b *incrementBody) operation() (*keyvaluev1.Operation, error) {
	increment, err := b.request()
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Increment{Increment: increment}}, err
}

// precondition returns nil for nil, and an empty precondition for an empty body.
func (b *preconditionBody) precondition() (*keyvaluev1.Precondition, error) {
	switch {
	case b == nil:
		return nil, nil
	case b.ETag != nil && b.Exists != nil:
		return nil, contract.RequestInvalid.Errorf("the precondition has both etag and exists")
	case b.ETag != nil:
		return mustBe(*b.ETag), nil
	case b.Exists != nil:
		return mustExist(*b.Exists), nil
	}
	return &keyvaluev1.Precondition{}, nil
}
