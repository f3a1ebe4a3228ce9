package kvservice_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

// listAll returns the keys of all pages.
func listAll(t *testing.T, kv client, req *keyvaluev1.ListRequest) []string {
	t.Helper()
	var keys []string
	for {
		res, err := kv.List(t.Context(), req)
		if err != nil {
			t.Fatalf("List = %v", err)
		}
		for _, e := range res.GetEntries() {
			keys = append(keys, e.GetKey())
		}
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return keys
		}
	}
}

func TestThePagesOfAListHaveEveryKeyOnce(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		for _, key := range []string{"b/2", "a", "b/1", "b", "c", "b/10", "é"} {
			mustSet(t, kv, text(key, "value of "+key))
		}
		for prefix, want := range map[string]string{
			"":   "[a b b/1 b/10 b/2 c é]",
			"b/": "[b/1 b/10 b/2]",
			"z":  "[]",
			"é":  "[é]",
		} {
			for _, size := range []int32{1, 2, 0, 5000} {
				got := listAll(t, kv, &keyvaluev1.ListRequest{Prefix: prefix, PageSize: size})
				if fmt.Sprint(got) != want {
					t.Errorf("List(%q) in pages of %d = %v, want %s", prefix, size, got, want)
				}
			}
		}
		res, err := kv.List(t.Context(), &keyvaluev1.ListRequest{Prefix: "a"})
		if err != nil || res.GetEntries()[0].GetValue() != "value of a" || res.GetEntries()[0].GetEtag() == "" {
			t.Errorf("List = %v, %v; want whole entries", res, err)
		}
		res, err = kv.List(t.Context(), &keyvaluev1.ListRequest{Prefix: "a", KeysOnly: true})
		if err != nil || res.GetEntries()[0].GetContent() != nil {
			t.Errorf("List of keys only = %v, %v; want no content", res, err)
		}
	})
}

func TestAPageIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	kv := wiretest.Wires()[0].Dial(t, serveEngine(t, newEngine(t), kvservice.Config{}))
	for _, size := range []int{contract.DefaultValueBytes, 1_000_000, 10_000} {
		prefix := fmt.Sprint(size, "/")
		n := contract.MaxContentBytes/size + 3
		for i := range n {
			mustSet(t, kv, text(fmt.Sprint(prefix, i), strings.Repeat("x", size)))
		}
		req := &keyvaluev1.ListRequest{Prefix: prefix, PageSize: contract.MaxPageSize}
		res, err := kv.List(t.Context(), req)
		if bytes := proto.Size(res); err != nil || res.GetNextPageToken() == "" ||
			bytes >= contract.MaxContentBytes || bytes < contract.MaxContentBytes-contract.MaxPageSize*contract.EntryOverhead-size {
			t.Errorf("a page of values of %d bytes has %d bytes and token %q, %v; want almost 8 MiB and a token",
				size, bytes, res.GetNextPageToken(), err)
		}
		if got := listAll(t, kv, req); len(got) != n {
			t.Errorf("all pages of values of %d bytes have %d keys, want %d", size, len(got), n)
		}
	}
}

// Text can take six times as long in JSON, and bytes a third more.
func TestAPageIsBoundedInJSON(t *testing.T) {
	t.Parallel()
	url := serveEngine(t, newEngine(t), kvservice.Config{})
	kv := wiretest.Wires()[0].Dial(t, url)
	const n, size = 180, 50_000 // over 8 MiB
	var want []string
	for i := range n {
		req := text(fmt.Sprintf("%03d", i), strings.Repeat([]string{"\x01", `"`, "x"}[i%3], size))
		if i%4 == 3 {
			req.Content = &keyvaluev1.SetRequest_Data{Data: bytes.Repeat([]byte{0xff}, size)}
		}
		want = append(want, req.GetKey())
		mustSet(t, kv, req)
		if i%10 == 5 {
			mustSet(t, kv, text(req.GetKey()+"/below", ""))
			want = append(want, req.GetKey()+"/")
		}
	}
	for _, reverse := range []bool{false, true} {
		var got []string
		for token := ""; ; {
			request := fmt.Sprintf(`{"delimiter":"/","pageSize":1000,"reverse":%t,"pageToken":%q}`, reverse, token)
			res, err := http.Post(url+"/keyvalue.v1.KeyValueService/List", "application/json", strings.NewReader(request))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			var page keyvaluev1.ListResponse
			if err := errors.Join(err, protojson.Unmarshal(body, &page)); err != nil {
				t.Fatal(err)
			}
			level := page.GetPrefixes()
			for _, e := range page.GetEntries() {
				level = append(level, e.GetKey())
			}
			slices.Sort(level)
			if reverse {
				slices.Reverse(level)
			}
			got, token = append(got, level...), page.GetNextPageToken()
			if length := len(body); length >= contract.MaxContentBytes || token != "" && length < contract.MaxContentBytes-7*size {
				t.Errorf("a page has %d bytes of JSON and token %q, want almost 8 MiB, or less on the last page", length, token)
			}
			if token == "" {
				break
			}
		}
		if reverse {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("all pages, with reverse %t, have %q, want %q", reverse, got, want)
		}
	}
}

// A value of a mebibyte can take six in JSON, so there is only one of them on a page.
func TestAPageOfTheLongestValuesHasOneEach(t *testing.T) {
	t.Parallel()
	kv := wiretest.Wires()[0].Dial(t, serveEngine(t, newEngine(t), kvservice.Config{}))
	for i := range 3 {
		mustSet(t, kv, text(fmt.Sprint(i), strings.Repeat("\x01", contract.DefaultValueBytes)))
	}
	res, err := kv.List(t.Context(), &keyvaluev1.ListRequest{})
	if err != nil || len(res.GetEntries()) != 1 || res.GetNextPageToken() == "" {
		t.Errorf("List = %d entries and token %q, %v; want one and a token", len(res.GetEntries()), res.GetNextPageToken(), err)
	}
	if got := listAll(t, kv, &keyvaluev1.ListRequest{}); len(got) != 3 {
		t.Errorf("all pages have %d entries, want 3", len(got))
	}
}

// levels returns the keys and prefixes of all pages, each page in parentheses.
func levels(t *testing.T, kv client, req *keyvaluev1.ListRequest) string {
	t.Helper()
	var all []string
	for {
		res, err := kv.List(t.Context(), req)
		if err != nil {
			t.Fatalf("List = %v", err)
		}
		page := res.GetPrefixes()
		for _, e := range res.GetEntries() {
			page = append(page, e.GetKey())
		}
		slices.Sort(page)
		all = append(all, "("+strings.Join(page, " ")+")")
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return strings.Join(all, "")
		}
	}
}

func TestAListHasBoundsADirectionAndLevels(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		for _, key := range []string{"a", "b/1", "b/2", "b/3/x", "c", "d/1", "é/1"} {
			mustSet(t, kv, text(key, "x"))
		}
		for want, req := range map[string]*keyvaluev1.ListRequest{
			"(b/1 b/2)(b/3/x)":   {Start: "b", End: "c", PageSize: 2},
			"(b/2 b/3/x)":        {Prefix: "b/", Start: "b/2", End: "z"},
			"(d/1 é/1)(b/3/x c)": {Reverse: true, Start: "b/3", PageSize: 2},
			"(a b/)(c d/)(é/)":   {Delimiter: "/", PageSize: 2},
			"(d/ é/)(b/ c)(a)":   {Delimiter: "/", PageSize: 2, Reverse: true},
			"(b/1)(b/2)(b/3/)":   {Delimiter: "/", Prefix: "b/", PageSize: 1},
			"(b/3/)(b/2)":        {Delimiter: "/", Prefix: "b/", Start: "b/2", PageSize: 1, Reverse: true},
			"(a b/1 b/2 b/3/x)":  {End: "c"},
			"()":                 {Start: "c", End: "c", Delimiter: "/"},
		} {
			if got := levels(t, kv, req); got != want {
				t.Errorf("List(%v) = %s, want %s", req, got, want)
			}
		}
	})
}

func TestARangeThatEndsBeforeItsStartIsRejected(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("b", "x"))
		for _, prefix := range []string{"", "b"} {
			for _, reverse := range []bool{false, true} {
				_, err := kv.List(t.Context(), &keyvaluev1.ListRequest{Prefix: prefix, Start: "c", End: "b", Reverse: reverse})
				wantReason(t, "List", err, contract.RequestInvalid)
			}
			for _, dry := range []bool{false, true} {
				_, err := kv.DeleteRange(t.Context(), &keyvaluev1.DeleteRangeRequest{Prefix: prefix, Start: "c", End: "b", DryRun: dry})
				wantReason(t, "DeleteRange", err, contract.RequestInvalid)
			}
		}
		empty := &keyvaluev1.DeleteRangeRequest{Start: "b", End: "b"}
		if res, err := kv.DeleteRange(t.Context(), empty); err != nil || res.GetDeleted() != 0 {
			t.Errorf("DeleteRange(%v) = %v, %v; want no entry", empty, res, err)
		}
	})
}

func TestInvalidPageTokensAreRejected(t *testing.T) {
	t.Parallel()
	kv := wiretest.Wires()[0].Dial(t, serveEngine(t, newEngine(t), kvservice.Config{}))
	for i := range 5 {
		mustSet(t, kv, text(fmt.Sprint("a/", i), "x"))
	}
	res, err := kv.List(t.Context(), &keyvaluev1.ListRequest{Prefix: "a/", PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	token := res.GetNextPageToken()
	for name, req := range map[string]*keyvaluev1.ListRequest{
		"of another prefix": {Prefix: "a", PageToken: token},
		"of another start":  {Prefix: "a/", PageToken: token, Start: "a/1"},
		"of another end":    {Prefix: "a/", PageToken: token, End: "a/9"},
		"of the opposite":   {Prefix: "a/", PageToken: token, Reverse: true},
		"of no level":       {Prefix: "a/", PageToken: token, Delimiter: "/"},
		"truncated":         {Prefix: "a/", PageToken: token[:len(token)-2]},
		"longer":            {Prefix: "a/", PageToken: token + "AA"},
		"not base64":        {Prefix: "a/", PageToken: "?"},
		"forged":            {Prefix: "a/", PageToken: base64.RawURLEncoding.EncodeToString([]byte("000000a/3"))},
		"empty inside":      {Prefix: "", PageToken: base64.RawURLEncoding.EncodeToString([]byte("000000"))},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kv.List(t.Context(), req)
			wantReason(t, "List", err, contract.PageTokenInvalid)
		})
	}
	_, err = kv.List(t.Context(), &keyvaluev1.ListRequest{PageSize: -1})
	wantReason(t, "a negative page size", err, contract.RequestInvalid)
	_, err = kv.List(t.Context(), &keyvaluev1.ListRequest{Prefix: "\x01"})
	wantReason(t, "a prefix that no key has", err, contract.KeyInvalid)
	for name, req := range map[string]*keyvaluev1.ListRequest{
		"start": {Start: "\x01"}, "end": {End: strings.Repeat("x", contract.MaxKeyBytes+1)}, "delimiter": {Delimiter: "\n"},
	} {
		_, err = kv.List(t.Context(), req)
		wantReason(t, "an invalid "+name, err, contract.KeyInvalid)
	}
}
