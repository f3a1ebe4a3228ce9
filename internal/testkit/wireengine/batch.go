package wireengine

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// Batch implements [store.Engine].
func (r *Remote) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	req := &keyvaluev1.BatchRequest{Atomic: atomic}
	for _, op := range ops {
		req.Operations = append(req.Operations, operations[op.Kind].message(op))
	}
	res, metadata, err := r.batch(ctx, req)
	if index, parseErr := strconv.Atoi(metadata["operation"]); err != nil && parseErr == nil {
		return nil, &store.BatchError{Index: index, Err: err}
	}
	if err != nil {
		return nil, err
	}
	results := make([]store.Result, len(res.GetResults()))
	for i, result := range res.GetResults() {
		results[i] = resultOf(result)
	}
	return results, nil
}

// batch returns the response, or the error with its metadata.
func (r *Remote) batch(
	ctx context.Context, req *keyvaluev1.BatchRequest,
) (*keyvaluev1.BatchResponse, map[string]string, error) {
	if kv := r.next(); kv != nil {
		res, err := kv.Batch(ctx, req)
		if err == nil {
			return res, nil, nil
		}
		_, metadata, _ := contract.ErrorInfo(err)
		return nil, metadata, outcome(err)
	}
	status, _, answer, err := r.send(ctx, http.MethodPost, "/v1/values:batch", batchBody(req), "Content-Type", "application/json")
	if err != nil {
		return nil, nil, unknown(err)
	}
	if status != http.StatusOK {
		p := problemOf(answer)
		return nil, p.Metadata, sentinel(p.Reason, fmt.Errorf("%d: %s", status, answer))
	}
	res := &keyvaluev1.BatchResponse{}
	return res, nil, protojson.Unmarshal([]byte(answer), res)
}

// batchBody returns req in the JSON that REST takes: that of the RPC, except that a touch must say explicitly that it
// removes the TTL.
func batchBody(req *keyvaluev1.BatchRequest) string {
	operations := make([]string, len(req.GetOperations()))
	for i, operation := range req.GetOperations() {
		operations[i] = protojson.Format(operation)
		if touch := operation.GetTouch(); touch != nil && touch.GetTtl() == nil {
			operations[i] = strings.Replace(operations[i], `"key"`, `"ttl":null,"key"`, 1)
		}
	}
	return fmt.Sprintf(`{"atomic":%t,"operations":[%s]}`, req.GetAtomic(), strings.Join(operations, ","))
}
