package client

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Entry is a key and what is stored under it.
type Entry struct {
	Key        string
	Value      []byte    // nil where the value was not asked for or is not sent
	ETag       string    // names this version, for [IfMatch]
	UpdateTime time.Time // when this version was written
	ExpireTime time.Time // when the entry expires; zero: never
}

func newEntry(e *keyvaluev1.Entry) Entry {
	entry := Entry{
		Key: e.GetKey(), ETag: e.GetEtag(),
		UpdateTime: timeOf(e.GetUpdateTime()), ExpireTime: timeOf(e.GetExpireTime()),
	}
	switch content := e.GetContent().(type) {
	case *keyvaluev1.Entry_Value:
		entry.Value = []byte(content.Value)
	case *keyvaluev1.Entry_Data:
		entry.Value = content.Data
	}
	return entry
}

// written is the entry as a write left it: the service does not send back the value that it was sent.
func written(e *keyvaluev1.Entry, value []byte) Entry {
	entry := newEntry(e)
	entry.Value = value
	return entry
}

// timeOf leaves a time that is not set zero.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// WriteOption changes how a write is done: a [TTL] or a [Condition].
type WriteOption interface{ apply(w *write) }

// IncrementOption changes how an entry is created by Increment: a [TTL] or an [Initial] number.
type IncrementOption interface {
	applyIncrement(req *keyvaluev1.IncrementRequest)
}

type write struct {
	ttl          *durationpb.Duration
	precondition *keyvaluev1.Precondition
}

func newWrite(opts []WriteOption) write {
	var w write
	for _, opt := range opts {
		opt.apply(&w)
	}
	return w
}

// TTL makes an entry expire after this time: more than zero and at most 10 years. Anything else fails with
// [ErrInvalid].
type TTL time.Duration

func (t TTL) apply(w *write) { w.ttl = durationpb.New(time.Duration(t)) }

func (t TTL) applyIncrement(req *keyvaluev1.IncrementRequest) {
	req.Ttl = durationpb.New(time.Duration(t))
}

// Initial is the number from which Increment starts if the key does not exist; its delta is then added to it.
type Initial int64

func (i Initial) applyIncrement(req *keyvaluev1.IncrementRequest) { req.Initial = int64(i) }

// Condition is what must hold for a write to happen. It is checked in one step with the write. Of several, the
// last one counts.
type Condition struct{ precondition *keyvaluev1.Precondition }

func (c Condition) apply(w *write) { w.precondition = c.precondition }

// IfMatch wants the entry to be in the version that etag names. Otherwise the write fails with
// [ErrETagMismatch].
func IfMatch(etag string) Condition {
	return Condition{&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: etag}}}
}

// IfExists wants the key to exist. Otherwise the write fails with [ErrAbsent].
func IfExists() Condition { return ifExists(true) }

// IfAbsent wants the key not to exist. Otherwise the write fails with [ErrExists].
func IfAbsent() Condition { return ifExists(false) }

func ifExists(exists bool) Condition {
	return Condition{&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: exists}}}
}
