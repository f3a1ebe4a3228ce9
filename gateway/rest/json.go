package rest

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract/messagejson"
)

// appendString appends s as a JSON string. Bytes that are not UTF-8, which occur only in text quoted from an invalid
// request, become U+FFFD.
func appendString(b []byte, s string) []byte {
	if messagejson.IsPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// members are the optional members of an entry in JSON. A response about a single entry has its etag in a header instead.
type members uint8

const (
	withETag members = 1 << iota // and its revision
	withUpdateTime
)

// appendEntry appends an entry as a JSON object.
func appendEntry(b []byte, entry *keyvaluev1.Entry, extra members) []byte {
	b = append(b, `{"key":`...)
	b = appendString(b, entry.GetKey())
	switch content := entry.GetContent().(type) {
	case *keyvaluev1.Entry_Value:
		b = append(b, `,"value":`...)
		b = appendString(b, content.Value)
	case *keyvaluev1.Entry_Data:
		b = append(b, `,"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, content.Data)
		b = append(b, '"')
	}
	if extra&withETag != 0 {
		b = append(b, `,"etag":`...)
		b = appendString(b, entry.GetEtag())
		b = appendRevision(b, entry.GetRevision())
	}
	if extra&withUpdateTime != 0 {
		b = appendTime(b, `,"updateTime":`, entry.GetUpdateTime())
	}
	b = appendTime(b, `,"expireTime":`, entry.GetExpireTime())
	return append(appendTTL(b, entry.GetTtl()), '}')
}

// appendRevision appends a revision as a member of an object, unless it is zero. It is a string, as in the JSON of the
// contract: a number in JavaScript is exact only up to 2^53.
func appendRevision(b []byte, revision uint64) []byte {
	if revision == 0 {
		return b
	}
	b = strconv.AppendUint(append(b, `,"revision":"`...), revision, 10)
	return append(b, '"')
}

// appendTTL appends a remaining TTL as a member of an object, unless it is nil. The TTL of a request may be written alike.
func appendTTL(b []byte, ttl *durationpb.Duration) []byte {
	if ttl == nil {
		return b
	}
	b = strconv.AppendFloat(append(b, `,"ttl":"`...), ttl.AsDuration().Seconds(), 'f', -1, 64)
	return append(b, `s"`...)
}

// appendTime appends t as a member of an object, unless t is nil.
func appendTime(b []byte, name string, t *timestamppb.Timestamp) []byte {
	if t == nil {
		return b
	}
	b = append(append(b, name...), '"')
	return append(t.AsTime().AppendFormat(b, time.RFC3339Nano), '"')
}

// content returns the content of an entry as bytes, which must not be modified.
func content(entry *keyvaluev1.Entry) []byte {
	if data, ok := entry.GetContent().(*keyvaluev1.Entry_Data); ok {
		return data.Data
	}
	return bytesOf(entry.GetValue())
}

// isText reports whether the content of an entry is text.
func isText(entry *keyvaluev1.Entry) bool {
	_, ok := entry.GetContent().(*keyvaluev1.Entry_Value)
	return ok
}
