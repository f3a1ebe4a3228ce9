package kvservice_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

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
	for i := range 12 {
		mustSet(t, kv, text(fmt.Sprint(i), strings.Repeat("x", contract.DefaultValueBytes)))
	}
	res, err := kv.List(t.Context(), &keyvaluev1.ListRequest{})
	if err != nil || len(res.GetEntries()) > 9 || res.GetNextPageToken() == "" {
		t.Fatalf("List returned %d MiB and token %q, %v; want about 8 MiB and a token",
			len(res.GetEntries()), res.GetNextPageToken(), err)
	}
	if got := listAll(t, kv, &keyvaluev1.ListRequest{}); len(got) != 12 {
		t.Errorf("all pages have %d keys, want 12", len(got))
	}
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
}
