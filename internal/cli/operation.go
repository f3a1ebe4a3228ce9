package cli

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/client"
	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// operation is a line of the input of kv batch.
type operation struct {
	call client.Operation
	kind string // the name of its result
	line int    // from 1
	size int    // of the line, in bytes
}

// parseOperation reads the contract's message Operation.
func parseOperation(text []byte) (operation, error) {
	var message keyvaluev1.Operation
	if err := protojson.Unmarshal(text, &message); err != nil {
		return operation{}, errors.New("this is no operation, such as {\"get\":{\"key\":\"a\"}}: " + plain(err))
	}
	switch op := message.GetOperation().(type) {
	case *keyvaluev1.Operation_Get:
		return operation{call: client.OpGet(op.Get.GetKey()), kind: "get"}, nil
	case *keyvaluev1.Operation_Set:
		return parseSet(op.Set)
	case *keyvaluev1.Operation_Delete:
		conditions, err := parseCondition(op.Delete.GetPrecondition())
		return operation{call: client.OpDelete(op.Delete.GetKey(), conditions...), kind: "delete"}, err
	case *keyvaluev1.Operation_Touch:
		options, err := writeOptions(op.Touch.GetTtl(), op.Touch.GetPrecondition())
		return operation{call: client.OpTouch(op.Touch.GetKey(), options...), kind: "touch"}, err
	case *keyvaluev1.Operation_Increment:
		return parseIncrement(op.Increment), nil
	}
	return operation{}, errors.New("the operation is empty: use get, set, delete, touch or increment")
}

// plain takes the package's name off the error of protojson, with the odd space that it has behind it.
func plain(err error) string {
	return strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
}

func parseSet(set *keyvaluev1.SetRequest) (operation, error) {
	var value []byte
	switch content := set.GetContent().(type) {
	case *keyvaluev1.SetRequest_Value:
		value = []byte(content.Value)
	case *keyvaluev1.SetRequest_Data:
		value = content.Data
	default:
		return operation{}, errors.New("the set has neither value nor data")
	}
	options, err := writeOptions(set.GetTtl(), set.GetPrecondition())
	return operation{call: client.OpSet(set.GetKey(), value, options...), kind: "set"}, err
}

func parseIncrement(increment *keyvaluev1.IncrementRequest) operation {
	options := []client.IncrementOption{client.Initial(increment.GetInitial())}
	if ttl := increment.GetTtl(); ttl != nil {
		options = append(options, client.TTL(ttl.AsDuration()))
	}
	return operation{call: client.OpIncrement(increment.GetKey(), increment.GetDelta(), options...), kind: "increment"}
}

func writeOptions(ttl *durationpb.Duration, p *keyvaluev1.Precondition) ([]client.WriteOption, error) {
	var options []client.WriteOption
	if ttl != nil {
		options = append(options, client.TTL(ttl.AsDuration()))
	}
	conditions, err := parseCondition(p)
	for _, condition := range conditions {
		options = append(options, condition)
	}
	return options, err
}

func parseCondition(p *keyvaluev1.Precondition) ([]client.Condition, error) {
	if p == nil {
		return nil, nil
	}
	switch kind := p.GetKind().(type) {
	case *keyvaluev1.Precondition_Etag:
		return []client.Condition{client.IfMatch(kind.Etag)}, nil
	case *keyvaluev1.Precondition_Exists:
		if kind.Exists {
			return []client.Condition{client.IfExists()}, nil
		}
		return []client.Condition{client.IfAbsent()}, nil
	}
	return nil, errors.New("the precondition is empty: use etag or exists")
}
