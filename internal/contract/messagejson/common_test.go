package messagejson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract/messagejson"
)

// Responses of Get and Set have the same bytes as those of protobuf's encoder, but for spaces.
func TestResponsesAreEncodedAsProtobufDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entry *keyvaluev1.Entry
		if rapid.Bool().Draw(t, "found") {
			entry = drawEntry(t)
		}
		for _, message := range []proto.Message{
			&keyvaluev1.GetResponse{Entry: entry},
			&keyvaluev1.SetResponse{Entry: entry, Created: rapid.Bool().Draw(t, "created")},
		} {
			got, ok := messagejson.Append([]byte("x"), message)
			want, err := protojson.MarshalOptions{EmitDefaultValues: messagejson.SaysDefaults(message)}.Marshal(message)
			if negative := entry.GetTtl().GetNanos() < 0; ok && err != nil || !ok && err == nil && !negative { // which protobuf's encoder writes
				t.Fatalf("Append(%v) = %v, protojson says %v", message, ok, err)
			}
			if ok && string(got) != "x"+compact(t, want) {
				t.Fatalf("Append(%v) = %s, want x%s", message, got, compact(t, want))
			}
		}
	})
}

func compact(t *rapid.T, text []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func drawEntry(t *rapid.T) *keyvaluev1.Entry {
	seconds, nanos := rapid.Int64(), rapid.SampledFrom([]int32{0, 1, 1e3, 5e6, 120e6, 999_999_999, 1_000_000_001, -1})
	entry := &keyvaluev1.Entry{
		Key: drawText(t, "key"), Etag: drawText(t, "etag"), Revision: rapid.Uint64().Draw(t, "revision"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "content") {
	case 1:
		entry.Content = &keyvaluev1.Entry_Value{Value: drawText(t, "value")}
	case 2:
		entry.Content = &keyvaluev1.Entry_Data{Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data")}
	}
	if rapid.Bool().Draw(t, "updated") {
		entry.UpdateTime = &timestamppb.Timestamp{
			Seconds: rapid.OneOf(rapid.Int64Range(-1e9, 1e10), seconds).Draw(t, "updateTime"), Nanos: nanos.Draw(t, "nanos"),
		}
	}
	if rapid.Bool().Draw(t, "expires") {
		entry.ExpireTime = timestamppb.Now()
		entry.Ttl = &durationpb.Duration{Seconds: rapid.Int64Range(0, 1e9).Draw(t, "ttl"), Nanos: nanos.Draw(t, "ttlNanos")}
	}
	return entry
}

// drawText returns text that is often plain, and sometimes not even UTF-8.
func drawText(t *rapid.T, label string) string {
	return rapid.OneOf(rapid.StringMatching(`[a-zé☃ ]{0,20}`), rapid.String(), rapid.SampledFrom([]string{
		"", `"`, `\`, "\n\t\b\f\r", "\x00\x1f\x7f", "</script>\u2028", "12345678\xff", strings.Repeat("a", 100) + `"`,
	})).Draw(t, label)
}

func TestPlainTakesOnlyKeyAndValueInPlainStrings(t *testing.T) {
	for text, want := range map[string][2]string{
		`{"key":"a","value":"b"}`: {"a", "b"}, " { \"value\" : \"b\" ,\n\"key\":\"a\" } ": {"a", "b"}, `{"value":""}`: {}, `{"value":"é"}`: {"", "é"},
	} {
		if key, value, ok := messagejson.Plain([]byte(text)); !ok || key != want[0] || value != want[1] {
			t.Errorf("Plain(%s) = %q, %q, %v, want %q", text, key, value, ok, want)
		}
	}
	for _, text := range []string{
		``, `{}`, `{"key":"a"}`, `{"key":"","value":"b"}`, `{"key":"a","key":"b","value":"c"}`, `{"value":"a","value":"b"}`, `{"value":null}`,
		`{"value":"a","ttl":"1s"}`, `{"value":"\n"}`, "{\"value\":\"\n\"}", "{\"value\":\"\xff\"}", `{"value":"a"} x`, `{"value":"a",}`, `{"Value":"a"}`,
	} {
		if key, value, ok := messagejson.Plain([]byte(text)); ok {
			t.Errorf("Plain(%s) = %q, %q, want it left to others", text, key, value)
		}
	}
}

// Requests of Get and Set are decoded as protobuf's decoder decodes them, and refused if it refuses them.
func FuzzRequestsAreDecodedAsProtobufDoes(f *testing.F) {
	for _, text := range []string{
		`{"key":"a"}`, ` { "key" : "a" , "value" : "b" } `, `{"value":"b","key":"a"}`, `{"key":"a","key":"b"}`, `{"key":"a","value":"","value":""}`,
		`{"key":""}`, `{"key":"a"}x`, `{"key":"a",}`, `{"key":"a"`, `{"key":"a\"b"}`, `{"key":"\u0061"}`, `{"k\u0065y":"a"}`, `{"key":null}`,
		`{"key":"a" "value":"b"}`, `{,"key":"a"}`, `{"key":"a","data":"b"}`, "{\"key\":\"a\n\"}", "{\"key\":\"\xff\"}", "{\"key\"\v:\"a\"}", `{}`, `[]`, ``,
		`{"key":"a","allowMissing":true}`, `{"key":"a","value":"b","ttl":"1s"}`, `{"key":"a","value":"\ud83d\ude00"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, message := range []proto.Message{&keyvaluev1.GetRequest{Uncounted: true}, &keyvaluev1.SetRequest{KeepTtl: true}} {
			want := proto.Clone(message)
			err, wantErr := messagejson.Unmarshal(bytes.Clone(text), message), protojson.Unmarshal(text, want)
			if len(text) == 0 {
				continue // which has an error of its own
			}
			if (err == nil) != (wantErr == nil) || err == nil && !proto.Equal(message, want) {
				t.Errorf("Unmarshal(%q) = %v, %v, protojson says %v, %v", text, message, err, want, wantErr)
			}
		}
	})
}
