package client

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Entry is a key with what is stored under it.
type Entry struct {
	Key        string
	Value      []byte    // nil if it was not requested, or is not part of the response
	ETag       string    // identifies this version, for [IfMatch]
	UpdateTime time.Time // when this version was written
	ExpireTime time.Time // when the entry expires, by the clock of the service; zero means never

	// TTL is how long the entry had left to live when the service answered; zero means that it never expires. Unlike
	// ExpireTime, it does not depend on how the clocks of two machines are set.
	TTL time.Duration

	// Revision grows with every write of the store, through restarts and failovers: of two versions of an entry, the later
	// one has the greater revision. A resource that remembers the greatest one it has seen can fence off a writer whose
	// lock has passed to another. See the contract's Entry.revision for when a clock that is set back breaks this.
	Revision uint64

	// IsPrefix reports that this is no entry but stands for all keys that begin with Key, in a listing with a [Delimiter].
	// The other fields are zero then.
	IsPrefix bool
}

func newEntry(e *keyvaluev1.Entry) Entry {
	entry := Entry{
		Key: e.GetKey(), ETag: e.GetEtag(),
		UpdateTime: timeOf(e.GetUpdateTime()), ExpireTime: timeOf(e.GetExpireTime()), TTL: e.GetTtl().AsDuration(),
		Revision: e.GetRevision(),
	}
	switch content := e.GetContent().(type) {
	case *keyvaluev1.Entry_Value:
		entry.Value = []byte(content.Value)
	case *keyvaluev1.Entry_Data:
		entry.Value = content.Data
	}
	return entry
}

// written returns the entry that a write of value stored. The service does not send the value back.
func written(e *keyvaluev1.Entry, value []byte) Entry {
	entry := newEntry(e)
	entry.Value = value
	return entry
}

// timeOf returns the zero time if t is not set.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// GetOption is [AllowMissing].
type GetOption interface {
	applyGet(req *keyvaluev1.GetRequest)
}

// AllowMissing makes a key that does not exist no error: the entry is then zero, with an empty ETag. An atomic batch can thus
// read keys at one instant that may not exist.
func AllowMissing() GetOption { return allowMissing{} }

type allowMissing struct{}

func (allowMissing) applyGet(req *keyvaluev1.GetRequest) { req.AllowMissing = true }

// WriteOption is a [TTL], [KeepTTL] or a [Condition] of a Set.
type WriteOption interface{ apply(w *write) }

// TouchOption is a [TTL] or a [Condition] of a Touch. Each is a WriteOption too.
type TouchOption interface {
	WriteOption
	applyTouch(w *write)
}

// IncrementOption is the [TTL] or [Initial] value of an entry that Increment creates.
type IncrementOption interface {
	applyIncrement(req *keyvaluev1.IncrementRequest)
}

type write struct {
	ttl          *durationpb.Duration
	keepTTL      bool
	precondition *keyvaluev1.Precondition
}

// TTL is the time after which an entry expires: more than zero and at most 10 years. A write with any other TTL fails
// with [ErrInvalid].
type TTL time.Duration

func (t TTL) apply(w *write) { w.ttl = durationpb.New(time.Duration(t)) }

func (t TTL) applyTouch(w *write) { t.apply(w) }

func (t TTL) applyIncrement(req *keyvaluev1.IncrementRequest) {
	req.Ttl = durationpb.New(time.Duration(t))
}

// KeepTTL lets an existing entry keep its TTL: it expires when it would have without the write. If the key does not exist,
// the new entry never expires. A Set with both [TTL] and KeepTTL fails with [ErrInvalid].
func KeepTTL() WriteOption { return keepTTL{} }

type keepTTL struct{}

func (keepTTL) apply(w *write) { w.keepTTL = true }

// Initial is the value to which Increment adds its delta if the key does not exist.
type Initial int64

func (i Initial) applyIncrement(req *keyvaluev1.IncrementRequest) { req.Initial = int64(i) }

// Condition is a precondition of a write. The service checks it and writes in one atomic step. If a call has several, the
// last one applies.
type Condition struct{ precondition *keyvaluev1.Precondition }

func (c Condition) apply(w *write) { w.precondition = c.precondition }

func (c Condition) applyTouch(w *write) { c.apply(w) }

// IfMatch requires the entry to have the given ETag. Otherwise the write fails with [ErrETagMismatch].
func IfMatch(etag string) Condition {
	return Condition{&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: etag}}}
}

// IfExists requires the key to exist. Otherwise the write fails with [ErrAbsent].
func IfExists() Condition { return ifExists(true) }

// IfAbsent requires the key not to exist. Otherwise the write fails with [ErrExists].
func IfAbsent() Condition { return ifExists(false) }

func ifExists(exists bool) Condition {
	return Condition{&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: exists}}}
}
