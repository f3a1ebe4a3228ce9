package rest

import (
	"context"
	"net/http"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/contract/problem"
)

// batch answers with the result of each operation, as the RPC has it in JSON: integers of 64 bits are strings.
// What the RPC leaves out because it is false is there.
func (a *api) batch(w http.ResponseWriter, r request) error {
	if err := refuseConditions(r.Header); err != nil {
		return err
	}
	var body batchBody
	if err := a.jsonOf(w, r, &body, contract.BatchTooLarge); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	return a.answerInTurn(w, r, func(ctx context.Context, b []byte) ([]byte, error) {
		res, err := a.client.Batch(ctx, req)
		if err != nil {
			return nil, err
		}
		return a.appendResults(b, res.GetResults()), nil
	})
}

func (a *api) appendResults(b []byte, results []*keyvaluev1.OperationResult) []byte {
	b = append(b, `{"results":[`...)
	pieces := a.inPieces(b)
	for i, result := range results {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendResult(append(b, '{'), result), '}')
		pieces.next(b)
	}
	return append(b, "]}"...)
}

// appendResult appends the member that result is. A response has some of four fields.
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
	if r, ok := response.(interface{ GetEntry() *keyvaluev1.Entry }); ok {
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
