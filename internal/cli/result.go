package cli

import (
	"errors"
	"strconv"

	"key-value/client"
)

// resultJSON is what became of an operation: the contract's message OperationResult. One member is set.
type resultJSON struct {
	Get       *getJSON       `json:"get,omitzero"`
	Set       *setJSON       `json:"set,omitzero"`
	Delete    *deletedJSON   `json:"delete,omitzero"`
	Touch     *touchJSON     `json:"touch,omitzero"`
	Increment *incrementJSON `json:"increment,omitzero"`
	Error     *errorJSON     `json:"error,omitzero"`
}

type getJSON struct {
	Entry entryJSON `json:"entry"`
}

type deletedJSON struct {
	Deleted bool `json:"deleted"`
}

type errorJSON struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Reason  string `json:"reason,omitzero"`
}

// newResultJSON returns the result of an operation of this kind.
func newResultJSON(kind string, r client.Result) resultJSON {
	if r.Err != nil {
		return resultJSON{Error: newErrorJSON(r.Err)}
	}
	switch kind {
	case "get":
		return resultJSON{Get: &getJSON{newEntryJSON(r.Entry)}}
	case "set":
		return resultJSON{Set: &setJSON{withoutValue(r.Entry), r.Created}}
	case "delete":
		return resultJSON{Delete: &deletedJSON{r.Deleted}}
	case "touch":
		return resultJSON{Touch: &touchJSON{withoutValue(r.Entry)}}
	}
	return resultJSON{Increment: &incrementJSON{strconv.FormatInt(r.Sum, 10), withoutValue(r.Entry)}}
}

func newErrorJSON(err error) *errorJSON {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return &errorJSON{Code: "unknown", Message: err.Error()}
	}
	return &errorJSON{Code: e.Code.String(), Message: e.Message, Reason: e.Reason}
}
