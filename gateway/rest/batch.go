package rest

import (
	"context"
	"net/http"
	"strconv"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
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

func appendResult(b []byte, result *keyvaluev1.OperationResult) []byte {
	switch r := result.GetResult().(type) {
	case *keyvaluev1.OperationResult_Get:
		b = appendVersion(append(b, `"get":{`...), r.Get.GetEntry())
	case *keyvaluev1.OperationResult_Set:
		b = appendVersion(append(b, `"set":{`...), r.Set.GetEntry())
		b = strconv.AppendBool(append(b, `,"created":`...), r.Set.GetCreated())
	case *keyvaluev1.OperationResult_Delete:
		b = strconv.AppendBool(append(b, `"delete":{"deleted":`...), r.Delete.GetDeleted())
	case *keyvaluev1.OperationResult_Touch:
		b = appendVersion(append(b, `"touch":{`...), r.Touch.GetEntry())
	case *keyvaluev1.OperationResult_Increment:
		b = strconv.AppendInt(append(b, `"increment":{"value":"`...), r.Increment.GetValue(), 10)
		b = appendVersion(append(b, `",`...), r.Increment.GetEntry())
	case *keyvaluev1.OperationResult_Error:
		b = appendOperationError(append(b, `"error":{`...), r.Error)
	default:
		return b
	}
	return append(b, '}')
}

func appendVersion(b []byte, entry *keyvaluev1.Entry) []byte {
	return appendEntry(append(b, `"entry":`...), entry, withETag|withUpdateTime)
}

func appendOperationError(b []byte, e *keyvaluev1.OperationError) []byte {
	b = appendString(append(b, `"code":`...), e.GetCode())
	if e.GetReason() != "" {
		b = appendString(append(b, `,"reason":`...), e.GetReason())
	}
	b = appendString(append(b, `,"message":`...), e.GetMessage())
	return appendMetadata(b, e.GetMetadata())
}
