package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/client"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

// operation is one line of the input of kv batch.
type operation struct {
	call client.Operation
	kind *contract.Method
	line int // from 1
	size int // of the line, in bytes
}

// form is how kv batch reads one kind of operation and prints its result: as the fields of the contract's messages
// Operation and OperationResult.
type form struct {
	read  func(request any) (client.Operation, error)
	write func(client.Result) any
}

// forms has an entry for each operation of the contract.
var forms = map[*contract.Method]form{
	contract.Get.Method:       {reading(readGet), func(r client.Result) any { return newGetJSON(r.Entry) }},
	contract.Set.Method:       {reading(readSet), func(r client.Result) any { return setJSON{withoutValue(r.Entry), r.Created} }},
	contract.Delete.Method:    {reading(readDelete), func(r client.Result) any { return deletedJSON{r.Deleted, r.Revision} }},
	contract.Touch.Method:     {reading(readTouch), func(r client.Result) any { return touchJSON{withoutValue(r.Entry)} }},
	contract.Increment.Method: {reading(readIncrement), func(r client.Result) any { return incrementJSON{strconv.FormatInt(r.Sum, 10), withoutValue(r.Entry)} }},
}

// getJSON has no entry if the key may be missing and is.
type getJSON struct {
	Entry *entryJSON `json:"entry,omitzero"`
}

func newGetJSON(entry client.Entry) getJSON {
	if entry.ETag == "" {
		return getJSON{}
	}
	printed := newEntryJSON(entry)
	return getJSON{&printed}
}

type deletedJSON struct {
	Deleted  bool   `json:"deleted"`
	Revision uint64 `json:"revision,string,omitzero"` // of the removal
}

type errorJSON struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Reason  string `json:"reason,omitzero"`
}

// parseOperation parses a message Operation of the contract.
func parseOperation(text []byte) (operation, error) {
	var message keyvaluev1.Operation
	text, err := inSeconds(text)
	if err == nil {
		err = messagejson.Unmarshal(text, &message)
	}
	if err != nil {
		return operation{}, fmt.Errorf(`invalid operation: %s; want an object such as {"get":{"key":"a"}}`, plain(err))
	}
	kind, request := contract.Unwrap(&message)
	if kind == nil {
		return operation{}, fmt.Errorf("an operation must set exactly one of %s; got none", contract.OperationNames)
	}
	call, err := forms[kind].read(request)
	return operation{call: call, kind: kind}, err
}

// inSeconds returns the JSON of an operation with its ttl in seconds, as the contract has it. In kv batch it may be in all
// units that the flag --ttl may be in.
func inSeconds(text []byte) ([]byte, error) {
	var members map[string]map[string]jsontext.Value // :: kind → member → value
	if !bytes.Contains(text, []byte(`"ttl"`)) || json.Unmarshal(text, &members) != nil {
		return text, nil
	}
	for kind, request := range members {
		var ttl string
		if json.Unmarshal(request["ttl"], &ttl) != nil {
			continue
		}
		d, err := parseDuration(ttl)
		if err != nil {
			return nil, fmt.Errorf("field /%s/ttl: invalid duration %q: %w", kind, ttl, err)
		}
		request["ttl"] = fmt.Appendf(nil, `"%d.%09ds"`, d/time.Second, (d % time.Second).Abs())
	}
	return json.Marshal(members)
}

// plain removes the package name from an error of protojson, and the space after it, which may be a non-breaking one.
func plain(err error) string {
	return strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
}

// newResultJSON returns the result of an operation as the contract's message OperationResult.
func newResultJSON(kind *contract.Method, r client.Result) map[string]any {
	if r.Err != nil {
		return map[string]any{"error": newErrorJSON(r.Err)}
	}
	return map[string]any{kind.Name: forms[kind].write(r)}
}

func newErrorJSON(err error) errorJSON {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return errorJSON{Code: "unknown", Message: err.Error()}
	}
	return errorJSON{Code: e.Code.String(), Message: e.Message, Reason: e.Reason}
}

func reading[Request any](read func(Request) (client.Operation, error)) func(any) (client.Operation, error) {
	return func(request any) (client.Operation, error) { return read(request.(Request)) }
}

func readGet(get *keyvaluev1.GetRequest) (client.Operation, error) {
	if get.GetAllowMissing() {
		return client.OpGet(get.GetKey(), client.AllowMissing()), nil
	}
	return client.OpGet(get.GetKey()), nil
}

func readSet(set *keyvaluev1.SetRequest) (client.Operation, error) {
	var value []byte
	switch content := set.GetContent().(type) {
	case *keyvaluev1.SetRequest_Value:
		value = []byte(content.Value)
	case *keyvaluev1.SetRequest_Data:
		value = content.Data
	default:
		return client.Operation{}, errors.New("invalid set: want value or data")
	}
	common, err := touchOptions(set.GetTtl(), set.GetPrecondition())
	var options []client.WriteOption
	for _, option := range common {
		options = append(options, option)
	}
	if set.GetKeepTtl() {
		options = append(options, client.KeepTTL())
	}
	return client.OpSet(set.GetKey(), value, options...), err
}

func readDelete(del *keyvaluev1.DeleteRequest) (client.Operation, error) {
	conditions, err := parseCondition(del.GetPrecondition())
	return client.OpDelete(del.GetKey(), conditions...), err
}

func readTouch(touch *keyvaluev1.TouchRequest) (client.Operation, error) {
	options, err := touchOptions(touch.GetTtl(), touch.GetPrecondition())
	return client.OpTouch(touch.GetKey(), options...), err
}

func readIncrement(increment *keyvaluev1.IncrementRequest) (client.Operation, error) {
	options := []client.IncrementOption{client.Initial(increment.GetInitial())}
	if ttl := increment.GetTtl(); ttl != nil {
		options = append(options, client.TTL(ttl.AsDuration()))
	}
	return client.OpIncrement(increment.GetKey(), increment.GetDelta(), options...), nil
}

func touchOptions(ttl *durationpb.Duration, p *keyvaluev1.Precondition) ([]client.TouchOption, error) {
	var options []client.TouchOption
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
	return nil, errors.New("invalid precondition: want etag or exists")
}
