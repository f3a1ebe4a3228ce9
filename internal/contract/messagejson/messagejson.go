// Package messagejson reads messages of the contract from JSON, in the mapping of protobuf. It is strict, and says in the
// contract's words what callers often write instead of that mapping.
package messagejson

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Unmarshal decodes data into message. Unlike the default of protobuf it rejects unknown fields: a write with a misspelled
// precondition would be carried out without it.
func Unmarshal(data []byte, message proto.Message) error {
	if len(data) == 0 {
		return errors.New("want a JSON object, got an empty text")
	}
	if unmarshalPlain(data, message) {
		return nil
	}
	if err := CheckMark(data); err != nil {
		return err
	}
	err := protojson.Unmarshal(data, message)
	if err == nil {
		return nil
	}
	if explained := findDuration(message.ProtoReflect().Descriptor(), data, ""); explained != nil {
		return explained
	}
	return err
}

// saysDefaults are the messages in which a field that is false or zero is an answer.
var saysDefaults = map[protoreflect.FullName]bool{
	"keyvalue.v1.SetResponse": true, "keyvalue.v1.DeleteResponse": true, "keyvalue.v1.IncrementResponse": true,
	"keyvalue.v1.BatchResponse": true, "keyvalue.v1.GetStatsResponse": true, "keyvalue.v1.GetCallerResponse": true,
	"keyvalue.v1.DeleteRangeResponse": true, "keyvalue.v1.GetKeyStatsResponse": true,
}

// SaysDefaults reports whether message in JSON has its fields that are false, zero or empty, which protobuf leaves out
// unless it is told otherwise.
func SaysDefaults(message proto.Message) bool {
	return saysDefaults[message.ProtoReflect().Descriptor().FullName()]
}

// Byte-order marks.
var (
	utf8Mark   = []byte("\xef\xbb\xbf")
	utf16Marks = [...][]byte{[]byte("\xff\xfe"), []byte("\xfe\xff")}
)

// CheckMark returns an error if text begins with a byte-order mark, which JSON must not have (RFC 8259, section 8.1).
func CheckMark(text []byte) error {
	if bytes.HasPrefix(text, utf8Mark) {
		return errors.New("the text begins with a byte-order mark: want UTF-8 without one")
	}
	for _, mark := range utf16Marks {
		if bytes.HasPrefix(text, mark) {
			return errors.New("the text is UTF-16: want UTF-8")
		}
	}
	return nil
}

// TrimMark returns the beginning of a file without the byte-order mark that some editors write there.
func TrimMark(text []byte) []byte { return bytes.TrimPrefix(text, utf8Mark) }

// findDuration returns an error for the first duration in text that is not in the form that protobuf wants, or nil if
// there is none. Text is a message of type d, and path leads to it.
func findDuration(d protoreflect.MessageDescriptor, text jsontext.Value, path string) error {
	if d.FullName() == (&durationpb.Duration{}).ProtoReflect().Descriptor().FullName() {
		if err := checkDuration(text); err != nil {
			return fmt.Errorf("field %s: %w", path, err)
		}
		return nil
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(text, &members) != nil {
		return nil
	}
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		for _, name := range []string{field.JSONName(), field.TextName()} {
			if value, ok := members[name]; ok && field.Message() != nil {
				if err := findInField(field, value, path+"/"+name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func findInField(field protoreflect.FieldDescriptor, text jsontext.Value, path string) error {
	if !field.IsList() {
		return findDuration(field.Message(), text, path)
	}
	var elements []jsontext.Value
	if json.Unmarshal(text, &elements) != nil {
		return nil
	}
	for i, element := range elements {
		if err := findDuration(field.Message(), element, path+"/"+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func checkDuration(text jsontext.Value) error {
	if text.Kind() == '0' {
		return NumberAsDuration(string(text))
	}
	var s string
	if text.Kind() != '"' || json.Unmarshal(text, &s) != nil || protojson.Unmarshal(text, &durationpb.Duration{}) == nil {
		return nil
	}
	example := "90s"
	if d, err := time.ParseDuration(s); err == nil {
		example = seconds(d.Seconds())
	} else if n, err := strconv.ParseFloat(s, 64); err == nil {
		example = seconds(n)
	}
	return fmt.Errorf("invalid duration %q: want seconds, such as %q", s, example)
}

// NumberAsDuration returns the error for a duration that is written as a JSON number.
func NumberAsDuration(number string) error {
	n, _ := strconv.ParseFloat(number, 64) // a JSON number that is too large becomes infinite
	return fmt.Errorf("unexpected number %s: want a string with a unit, such as %q", number, seconds(n))
}

// seconds returns n seconds as a duration, or another duration if n is out of the range of TTLs.
func seconds(n float64) string {
	if n <= 0 || n > 1e9 {
		n = 90
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + "s"
}
