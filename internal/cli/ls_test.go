package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

// lister is a store whose keys break the contract.
type lister struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler

	keys     []string
	keysOnly chan bool // of each request
}

func (l lister) List(_ context.Context, req *keyvaluev1.ListRequest) (*keyvaluev1.ListResponse, error) {
	l.keysOnly <- req.GetKeysOnly()
	res := &keyvaluev1.ListResponse{}
	for _, key := range l.keys {
		res.Entries = append(res.Entries, &keyvaluev1.Entry{Key: key})
	}
	return res, nil
}

// startHandler serves handler and returns the environment of its clients.
func startHandler(t *testing.T, handler keyvaluev1connect.KeyValueServiceHandler) map[string]string {
	t.Helper()
	rpc, mux := connect.NewServer(), http.NewServeMux()
	keyvaluev1connect.RegisterKeyValueServiceHandler(rpc, handler)
	connecthttp.Mount(mux, rpc)
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return map[string]string{"KV_URL": server.URL, "KV_API_KEY": "x"}
}

// A program that reads lines would take such a key for two.
func TestAKeyWithANewlineIsNotPrintedAsTwo(t *testing.T) {
	t.Parallel()
	env := startHandler(t, lister{keys: []string{"a b", "tmp/x\nimportant", "z"}, keysOnly: make(chan bool, 10)})
	check(t, env, "", "ls", wants{1, "a b\n", `kv: the key "tmp/x\\nimportant" has a newline and does not fit on a line: use -0 or -o json\n`})
	check(t, env, "", "ls --keys", wants{1, "a b\n", `kv: the key .*\n`})
	check(t, env, "", "ls -0", wants{out: "a b\x00tmp/x\nimportant\x00z\x00"})
	check(t, env, "", "ls -o json", wants{out: `\{"key":"a b"\}\n\{"key":"tmp/x\\nimportant"\}\n\{"key":"z"\}\n`})
	if got, want := keyOn(&terminal{}, "x\ny"), `$'x\ny'`; got != want {
		t.Errorf("a terminal gets %s, want %s", got, want)
	}
}

func TestValuesAreFetchedOnlyIfTheyAreShown(t *testing.T) {
	t.Parallel()
	l := lister{keysOnly: make(chan bool, 1)}
	env := startHandler(t, l)
	for _, test := range []struct {
		args     []string
		keysOnly bool
	}{
		{[]string{}, true}, {[]string{"--keys"}, true}, {[]string{"-0"}, true}, {[]string{"-o", "table"}, true},
		{[]string{"--keys", "-o", "json"}, true}, {[]string{"-l"}, false}, {[]string{"-o", "json"}, false},
	} {
		if got := kv(t, env, "", slices.Concat([]string{"ls"}, test.args)...); got != (result{}) {
			t.Errorf("kv ls %v = %+v", test.args, got)
		}
		if got := <-l.keysOnly; got != test.keysOnly {
			t.Errorf("kv ls %v asks for keys only: %v, want %v", test.args, got, test.keysOnly)
		}
	}
}
