package client

import (
	"time"

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
