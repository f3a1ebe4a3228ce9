package messagejson

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Append appends the JSON of message to b if it is a response of Get or Set, in the form that protobuf prescribes. It returns
// false for other messages and for fields that are invalid. The encoder of protobuf, which can do all of them, takes twenty
// allocations for what this function does in one.
func Append(b []byte, message proto.Message) ([]byte, bool) {
	w := writer{b: b, ok: true}
	switch m := message.(type) {
	case *keyvaluev1.GetResponse:
		w.open()
		w.entry(m.GetEntry())
		w.close()
	case *keyvaluev1.SetResponse:
		w.defaults = true
		w.open()
		w.entry(m.GetEntry())
		w.b = strconv.AppendBool(w.name("created"), m.GetCreated())
		w.close()
	default:
		return b, false
	}
	return w.b, w.ok
}

// writer writes an object.
type writer struct {
	b        []byte
	defaults bool // whether to write fields that are empty or zero
	ok       bool // whether all fields were valid
}

func (w *writer) open() { w.b = append(w.b, '{') }

func (w *writer) close() { w.b = append(w.b, '}') }

// name begins a member and returns what is to be followed by its value.
func (w *writer) name(name string) []byte {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	return append(append(append(w.b, '"'), name...), `":`...)
}

func (w *writer) entry(entry *keyvaluev1.Entry) {
	if entry == nil {
		return
	}
	w.b = w.name("entry")
	w.open()
	w.text("key", entry.GetKey(), w.defaults)
	switch content := entry.GetContent().(type) {
	case *keyvaluev1.Entry_Value:
		w.text("value", content.Value, true)
	case *keyvaluev1.Entry_Data:
		w.b = append(base64.StdEncoding.AppendEncode(append(w.name("data"), '"'), content.Data), '"')
	}
	w.text("etag", entry.GetEtag(), w.defaults)
	w.time("updateTime", entry.GetUpdateTime())
	w.time("expireTime", entry.GetExpireTime())
	w.duration("ttl", entry.GetTtl())
	if entry.GetRevision() != 0 || w.defaults {
		w.b = append(strconv.AppendUint(append(w.name("revision"), '"'), entry.GetRevision(), 10), '"')
	}
	w.close()
}

// text writes a string, unless it is empty and empty ones are left out.
func (w *writer) text(name, s string, empty bool) {
	if s == "" && !empty {
		return
	}
	b := w.name(name)
	if IsPlain(s) {
		w.b = append(append(append(b, '"'), s...), '"')
		return
	}
	var err error
	w.b, err = jsontext.AppendQuote(b, s)
	w.ok = w.ok && err == nil
}

func (w *writer) time(name string, t *timestamppb.Timestamp) {
	if t == nil {
		return
	}
	w.ok = w.ok && t.IsValid()
	w.b = time.Unix(t.GetSeconds(), 0).UTC().AppendFormat(append(w.name(name), '"'), "2006-01-02T15:04:05")
	w.b = append(appendFraction(w.b, t.GetNanos()), `Z"`...)
}

func (w *writer) duration(name string, d *durationpb.Duration) {
	if d == nil {
		return
	}
	w.ok = w.ok && d.IsValid() && d.GetSeconds() >= 0 && d.GetNanos() >= 0
	w.b = strconv.AppendInt(append(w.name(name), '"'), d.GetSeconds(), 10)
	w.b = append(appendFraction(w.b, d.GetNanos()), `s"`...)
}

// appendFraction appends the fraction of a second, with 0, 3, 6 or 9 digits, as protobuf has it.
func appendFraction(b []byte, nanoseconds int32) []byte {
	if nanoseconds == 0 {
		return b
	}
	var buffer [10]byte
	digits := strconv.AppendInt(buffer[:0], 1e9+int64(nanoseconds), 10)[1:]
	for bytes.HasSuffix(digits, []byte("000")) {
		digits = digits[:len(digits)-3]
	}
	return append(append(b, '.'), digits...)
}

// Plain decodes an object that has nothing but a value and perhaps a key that is not empty, both in plain strings. It returns
// false for other texts, whether or not they are valid, for a decoder of all of JSON to read.
func Plain(data []byte) (key, value string, ok bool) {
	key, value, hasValue, ok := plain(data)
	return key, value, ok && hasValue
}

// plain is Plain, and accepts an object without a value.
func plain(data []byte) (key, value string, hasValue, ok bool) {
	object := reader{data}
	ok = object.members(func(name []byte, text string) bool {
		switch {
		case string(name) == "key" && key == "" && text != "":
			key = text
		case string(name) == "value" && !hasValue:
			value, hasValue = text, true
		default:
			return false
		}
		return true
	})
	return key, value, hasValue, ok
}

// unmarshalPlain decodes a request of Get or Set that has nothing but a key and a text, in plain strings. It returns false
// for others and for mistakes, which the decoder of protobuf reports.
func unmarshalPlain(data []byte, message proto.Message) bool {
	key, value, hasValue, ok := plain(data)
	if !ok || key == "" {
		return false
	}
	switch m := message.(type) {
	case *keyvaluev1.GetRequest:
		if hasValue {
			return false
		}
		m.Reset()
		m.Key = key
		return true
	case *keyvaluev1.SetRequest:
		if !hasValue {
			return false
		}
		m.Reset()
		m.Key, m.Content = key, &keyvaluev1.SetRequest_Value{Value: value}
		return true
	}
	return false
}

// reader reads an object.
type reader struct{ rest []byte }

// members calls member for each member until it returns false. It returns true if the rest is one object whose values are
// plain strings, and member has returned true for all of them.
func (r *reader) members(member func(name []byte, value string) bool) bool {
	if !r.next('{') {
		return false
	}
	for {
		name, ok := r.quoted()
		if !ok || !r.next(':') {
			return false
		}
		value, ok := r.quoted()
		if !ok {
			return false
		}
		if text := string(value); !IsPlain(text) || !member(name, text) {
			return false
		}
		if !r.next(',') {
			return r.next('}') && len(bytes.TrimLeft(r.rest, space)) == 0
		}
	}
}

// space is what may be between the parts of JSON.
const space = " \t\r\n"

// next reads c, and what may be before it. It returns false if something else is next.
func (r *reader) next(c byte) bool {
	if len(r.rest) > 0 && r.rest[0] != c {
		r.rest = bytes.TrimLeft(r.rest, space)
	}
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// quoted reads what is between two quotes.
func (r *reader) quoted() ([]byte, bool) {
	if !r.next('"') {
		return nil, false
	}
	end := bytes.IndexByte(r.rest, '"')
	if end < 0 {
		return nil, false
	}
	text := r.rest[:end]
	r.rest = r.rest[end+1:]
	return text, true
}

// IsPlain reports whether s is UTF-8 and contains nothing that JSON must escape (RFC 8259, section 7), as most strings do. For
// long strings this takes a fifth of the time of jsontext.AppendQuote, which examines every character.
func IsPlain(s string) bool {
	i := 0
	for ; i <= len(s)-8; i += 8 {
		if anyEscaped(binary.LittleEndian.Uint64([]byte(s[i : i+8]))) {
			return false
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}

const (
	ones  = 0x0101010101010101 // each byte of a word is 1
	highs = 0x80 * ones        // each byte of a word has only its high bit set
)

// anyEscaped reports whether a byte of word must be escaped. As in "Bit Twiddling Hacks" (Anderson), x-n sets the high
// bit of each byte less than n, and x^n clears each byte equal to n.
func anyEscaped(word uint64) bool {
	quote, backslash := word^'"'*ones, word^'\\'*ones
	return ((word-' '*ones)&^word|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs != 0
}
