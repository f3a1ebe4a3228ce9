package kvservice

import (
	"time"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// operation is how a batch carries out one kind of operation.
type operation struct {
	method *contract.Method
	read   func(s *Service, request any) (store.Operation, error)
	write  func(store.Result) *keyvaluev1.OperationResult
}

// operations has an element for each operation of the contract, at the index of its kind.
var operations = [...]operation{
	store.Get:       batched(contract.Get, (*Service).readGet, writeGet),
	store.Set:       batched(contract.Set, (*Service).readSet, writeSet),
	store.Delete:    batched(contract.Delete, (*Service).readDelete, writeDelete),
	store.Touch:     batched(contract.Touch, (*Service).readTouch, writeTouch),
	store.Increment: batched(contract.Increment, (*Service).readIncrement, writeIncrement),
}

func batched[Request, Response contract.Message](
	op *contract.Operation[Request, Response],
	read func(*Service, Request) (store.Operation, error), write func(store.Result) Response,
) operation {
	return operation{
		method: op.Method,
		read:   func(s *Service, request any) (store.Operation, error) { return read(s, request.(Request)) },
		write:  func(r store.Result) *keyvaluev1.OperationResult { return op.WrapResult(write(r)) },
	}
}

func (s *Service) readOperation(message *keyvaluev1.Operation) (store.Operation, error) {
	if method, request := contract.Unwrap(message); method != nil {
		for i := range operations {
			if operations[i].method == method {
				return operations[i].read(s, request)
			}
		}
	}
	return store.Operation{}, contract.RequestInvalid.Errorf(
		"an operation must set exactly one of %s; got none", contract.OperationNames)
}

func (s *Service) readGet(req *keyvaluev1.GetRequest) (store.Operation, error) {
	op := store.Operation{
		Kind: store.Get, Key: req.GetKey(), Uncounted: req.GetUncounted(), AllowMissing: req.GetAllowMissing(),
	}
	return op, contract.CheckKey(op.Key)
}

func (s *Service) readSet(req *keyvaluev1.SetRequest) (store.Operation, error) {
	op := store.Operation{Kind: store.Set, Key: req.GetKey()}
	if err := contract.CheckKey(op.Key); err != nil {
		return op, err
	}
	switch content := req.GetContent().(type) {
	case *keyvaluev1.SetRequest_Value:
		op.Value = unsafe.Slice(unsafe.StringData(content.Value), len(content.Value)) // an engine never modifies a value
	case *keyvaluev1.SetRequest_Data:
		op.Value = content.Data
	default:
		return op, contract.ValueInvalid.Errorf(`no content: set value or data; for an empty value, set value to ""`)
	}
	if len(op.Value) > s.maxValueBytes {
		return op, contract.ValueTooLarge.Errorf("value too large: %d bytes, want at most %d",
			len(op.Value), s.maxValueBytes)
	}
	if op.KeepTTL = req.GetKeepTtl(); op.KeepTTL && req.GetTtl() != nil {
		return op, contract.RequestInvalid.Errorf("both ttl and keep_ttl are set: set one of them")
	}
	return conditionally(op, req)
}

func (s *Service) readDelete(req *keyvaluev1.DeleteRequest) (store.Operation, error) {
	op := store.Operation{Kind: store.Delete, Key: req.GetKey()}
	if err := contract.CheckKey(op.Key); err != nil {
		return op, err
	}
	var err error
	op.Precondition, err = readPrecondition(req.GetPrecondition())
	return op, err
}

func (s *Service) readTouch(req *keyvaluev1.TouchRequest) (store.Operation, error) {
	op := store.Operation{Kind: store.Touch, Key: req.GetKey()}
	if err := contract.CheckKey(op.Key); err != nil {
		return op, err
	}
	return conditionally(op, req)
}

func (s *Service) readIncrement(req *keyvaluev1.IncrementRequest) (store.Operation, error) {
	op := store.Operation{
		Kind: store.Increment, Key: req.GetKey(), Delta: req.GetDelta(), Initial: req.GetInitial(),
	}
	if err := contract.CheckKey(op.Key); err != nil {
		return op, err
	}
	var err error
	op.TTL, err = readTTL(req.GetTtl())
	return op, err
}

// conditionally returns op with the TTL and the precondition of req.
func conditionally(op store.Operation, req interface {
	GetTtl() *durationpb.Duration
	GetPrecondition() *keyvaluev1.Precondition
}) (store.Operation, error) {
	var err error
	if op.TTL, err = readTTL(req.GetTtl()); err != nil {
		return op, err
	}
	op.Precondition, err = readPrecondition(req.GetPrecondition())
	return op, err
}

func writeGet(r store.Result) *keyvaluev1.GetResponse {
	if r.Entry.Key == "" {
		return &keyvaluev1.GetResponse{}
	}
	m := &struct { // in one allocation
		response keyvaluev1.GetResponse
		entry    entryMessage
	}{}
	m.entry.describe(r.Entry)
	m.entry.addContent(r.Entry)
	m.response.Entry = &m.entry.entry
	return &m.response
}

func writeSet(r store.Result) *keyvaluev1.SetResponse {
	m := &struct { // in one allocation
		response keyvaluev1.SetResponse
		entry    entryMessage
	}{}
	m.entry.describe(r.Entry)
	m.response.Entry, m.response.Created = &m.entry.entry, r.Changed
	return &m.response
}

func writeDelete(r store.Result) *keyvaluev1.DeleteResponse {
	return &keyvaluev1.DeleteResponse{Deleted: r.Changed, Revision: r.Revision}
}

func writeTouch(r store.Result) *keyvaluev1.TouchResponse {
	return &keyvaluev1.TouchResponse{Entry: withoutContent(r.Entry)}
}

func writeIncrement(r store.Result) *keyvaluev1.IncrementResponse {
	return &keyvaluev1.IncrementResponse{Value: r.Sum, Entry: withoutContent(r.Entry)}
}

// entryMessage is an entry with the messages that most entries refer to, in one allocation.
type entryMessage struct {
	entry   keyvaluev1.Entry
	updated timestamppb.Timestamp
	value   keyvaluev1.Entry_Value
}

func withContent(e store.Entry) *keyvaluev1.Entry {
	m := &entryMessage{}
	m.describe(e)
	m.addContent(e)
	return &m.entry
}

func withoutContent(e store.Entry) *keyvaluev1.Entry {
	m := &entryMessage{}
	m.describe(e)
	return &m.entry
}

// describe sets everything but the content.
func (m *entryMessage) describe(e store.Entry) {
	m.updated.Seconds, m.updated.Nanos = e.UpdateTime.Unix(), int32(e.UpdateTime.Nanosecond())
	m.entry.Key = e.Key
	m.entry.Etag = e.Version.String()
	m.entry.UpdateTime = &m.updated
	m.entry.ExpireTime = timestamp(e.ExpireTime)
	m.entry.Ttl = remaining(e.TTL)
	m.entry.Revision = e.Version.Revision
}

// addContent sets the content: as text if it is valid UTF-8, otherwise as bytes. It is not copied, because an engine never
// modifies a value.
func (m *entryMessage) addContent(e store.Entry) {
	if !utf8.Valid(e.Value) {
		m.entry.Content = &keyvaluev1.Entry_Data{Data: e.Value}
		return
	}
	m.value.Value = unsafe.String(unsafe.SliceData(e.Value), len(e.Value))
	m.entry.Content = &m.value
}

// timestamp returns nil for the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// remaining returns ttl in whole milliseconds, rounded up so that no copy of an entry lives shorter, or nil for zero.
func remaining(ttl time.Duration) *durationpb.Duration {
	if ttl == 0 {
		return nil
	}
	return durationpb.New((ttl + time.Millisecond - 1).Truncate(time.Millisecond))
}
