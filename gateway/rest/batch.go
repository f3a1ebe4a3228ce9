package rest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/contract/problem"
)

// batch serves POST of a batch with the result of each operation, in the JSON form of the RPC: 64-bit integers are
// strings. Unlike in the RPC, members that are false are not omitted.
func (a *api) batch(w http.ResponseWriter, r request) error {
	if err := rejectConditions(r.Header); err != nil {
		return err
	}
	var body batchBody
	if err := a.requireJSON(w, r, &body, `{"operations":[{"get":{"key":"a"}}]}`, contract.BatchTooLarge); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	if err := r.account.Expect(req); err != nil {
		return err
	}
	return a.writeLarge(w, r, func(ctx context.Context, b []byte) ([]byte, error) {
		res, err := a.client.Batch(ctx, req)
		if err != nil {
			return nil, err
		}
		return a.appendResults(r, b, res)
	})
}

// batchBody is the JSON body of a batch. A syntax error rejects the whole batch; the service validates each operation by
// itself.
type batchBody struct {
	Operations operationBodies `json:"operations"`
	Atomic     bool            `json:"atomic"`
}

type operationBodies []operationBody

// UnmarshalJSONFrom stops at the first operation over the limit.
func (o *operationBodies) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '[' {
		return json.UnmarshalDecode(dec, (*[]operationBody)(o)) // returns the error
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

// operationBody must have exactly one of its members.
type operationBody struct {
	Get       *getBody       `json:"get"`
	Set       *setBody       `json:"set"`
	Delete    *deleteBody    `json:"delete"`
	Touch     *touchKeyBody  `json:"touch"`
	Increment *incrementBody `json:"increment"`
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

// operation returns the operation in b. For an empty body it is empty, which the service rejects.
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

func (a *api) appendResults(r request, b []byte, res *keyvaluev1.BatchResponse) ([]byte, error) {
	b, progress, err := begin(r, b, res, 0)
	if err != nil {
		return nil, err
	}
	defer progress.end()
	b = append(b, `{"results":[`...)
	for i, result := range res.GetResults() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendResult(append(b, '{'), result), '}')
		if err := progress.grown(b); err != nil {
			return nil, err
		}
	}
	return append(b, "]}"...), nil
}

// appendResult appends the result of one operation as a member of an object. Each response has some of five fields.
func appendResult(b []byte, result *keyvaluev1.OperationResult) []byte {
	if e := result.GetError(); e != nil {
		return append(appendOperationError(append(b, `"error":{`...), e), '}')
	}
	method, response := contract.UnwrapResult(result)
	if method == nil {
		return b
	}
	b = append(append(append(b, '"'), method.Name...), `":{`...)
	start := len(b)
	next := func(name string) {
		if len(b) != start {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
	}
	if r, ok := response.(interface{ GetValue() int64 }); ok {
		next("value")
		b = append(strconv.AppendInt(append(b, '"'), r.GetValue(), 10), '"')
	}
	if r, ok := response.(interface{ GetEntry() *keyvaluev1.Entry }); ok && r.GetEntry() != nil {
		next("entry")
		b = appendEntry(b, r.GetEntry(), withETag|withUpdateTime)
	}
	if r, ok := response.(interface{ GetCreated() bool }); ok {
		next("created")
		b = strconv.AppendBool(b, r.GetCreated())
	}
	if r, ok := response.(interface{ GetDeleted() bool }); ok {
		next("deleted")
		b = strconv.AppendBool(b, r.GetDeleted())
	}
	if r, ok := response.(interface{ GetRevision() uint64 }); ok {
		b = appendRevision(b, r.GetRevision())
	}
	return append(b, '}')
}

func appendOperationError(b []byte, e *keyvaluev1.OperationError) []byte {
	b = appendString(append(b, `"code":`...), e.GetCode())
	if e.GetReason() != "" {
		b = appendString(append(b, `,"reason":`...), e.GetReason())
	}
	b = appendString(append(b, `,"message":`...), e.GetMessage())
	return problem.AppendMetadata(b, e.GetMetadata())
}
