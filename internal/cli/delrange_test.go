package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

func TestKeysWithAPrefixAreDeleted(t *testing.T) {
	t.Parallel()
	env := serving(t)
	var in strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&in, `{"key":"tmp/%d","value":"x"}`+"\n", i)
	}
	for _, step := range []struct {
		line, stdin string
		want        wants
	}{
		{"import", in.String(), wants{err: `kv: 2,500 entries written\n`}},
		{"set tmp x", "", wants{}},
		{"set other x", "", wants{}},
		{"del --prefix tmp/ --dry-run", "", wants{out: `2500\n`}},
		{"del --prefix tmp/ --dry-run -o json", "", wants{out: `\{"deleted":2500\}\n`}},
		{"del --prefix tmp/", "y\n", wants{2, "", `kv: nothing was deleted: there is no terminal .* --yes .* --dry-run .*\n`}},
		{"del --all --dry-run", "", wants{out: `2502\n`}},
		{"del --prefix tmp/ --yes", "", wants{err: `kv: 2,500 keys deleted\n`}},
		{"del --prefix tmp/ --yes -o json", "", wants{out: `\{"deleted":0\}\n`}},
		{"ls", "", wants{out: `other\ntmp\n`}},
		{"rm --prefix=tm --yes", "", wants{err: `kv: 1 key deleted\n`}},
		{"del --all", "", wants{2, "", `kv: nothing was deleted: .*\n`}},
		{"del --all --yes -o json", "", wants{out: `\{"deleted":1\}\n`}},
		{"ls", "", wants{}},
	} {
		check(t, env, step.stdin, step.line, step.want)
	}
}

// What is left out or mixed up deletes nothing.
func TestNothingIsDeletedByMistake(t *testing.T) {
	t.Parallel()
	env := serving(t)
	kv(t, env, "", "set", "a", "x")
	for _, test := range []struct {
		args []string
		err  string
	}{
		{[]string{}, `requires at least 1 arg.*`},
		{[]string{"--yes"}, `requires at least 1 arg.*`},
		{[]string{"--prefix", "", "--yes"}, `nothing was deleted: an empty --prefix is every key of the store, which takes --all`},
		{[]string{"--prefix=", "--yes"}, `nothing was deleted: an empty --prefix .*`},
		{[]string{"--prefix"}, `flag needs an argument: --prefix; .*: kv del \[flags\] -- KEY\.\.\.`},
		{[]string{"--prefix", "a", "a", "--yes"}, `nothing was deleted: --prefix and --all take no keys, such as "a"`},
		{[]string{"--all", "a", "--yes"}, `nothing was deleted: --prefix and --all take no keys, such as "a"`},
		{[]string{"--prefix", "a", "--all", "--yes"}, `--prefix and --all are mutually exclusive: .*`},
		{[]string{"--prefix", "a", "--yes", "--if-match", "x"}, `--prefix and --if-match are mutually exclusive: .*`},
		{[]string{"--all", "--yes", "--if-exists"}, `--all and --if-exists are mutually exclusive: .*`},
		{[]string{"a", "--dry-run"}, `nothing was deleted: --dry-run is for --prefix and --all`},
		{[]string{"a", "--yes"}, `nothing was deleted: --yes is for --prefix and --all`},
	} {
		if got := kv(t, env, "", append([]string{"del"}, test.args...)...); got.code != 2 || got.out != "" || !matches("kv: "+test.err+"\n", got.err) {
			t.Errorf("kv del %q = %+v, want code 2 and %s", test.args, got, test.err)
		}
	}
	check(t, env, "", "get a", wants{out: "x"})
}

// deleter deletes a range of 5,000 keys, 1,000 a call, and hands its calls to a test.
type deleter struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler

	deletes func(call int)
	calls   *int
}

func (d deleter) DeleteRange(_ context.Context, req *keyvaluev1.DeleteRangeRequest) (*keyvaluev1.DeleteRangeResponse, error) {
	if req.GetDryRun() {
		return &keyvaluev1.DeleteRangeResponse{Deleted: 5000}, nil
	}
	*d.calls++
	d.deletes(*d.calls)
	return &keyvaluev1.DeleteRangeResponse{Deleted: 1000, NextPageToken: "more"}, nil
}

// An interrupted deletion waits for the call in flight, and says how many keys are gone.
func TestAnInterruptedDeletionSaysHowManyKeysAreGone(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	env := startHandler(t, deleter{calls: new(int), deletes: func(call int) {
		if call == 2 {
			interrupt()
		}
	}})
	var log bytes.Buffer
	code := run(ctx, "test", []string{"del", "--prefix", "a", "--yes"}, streams{strings.NewReader(""), &log, &log}, clientEnv(env))
	if want := "kv: 2,000 of 5,000 keys deleted\nkv: interrupted\n"; code != 130 || log.String() != want {
		t.Errorf("the interrupted kv del = code %d, %q; want 130, %q", code, log.String(), want)
	}
}

// The timeout is of each call. What the call did that was not answered is not known.
func TestADeletionThatGetsNoAnswer(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	env := startHandler(t, deleter{calls: new(int), deletes: func(call int) {
		if call == 3 {
			<-hang
		}
	}})
	t.Cleanup(func() { close(hang) })
	check(t, env, "", "del --prefix a --yes --timeout 5s", wants{5, "",
		`kv: 2,000 of 5,000 keys deleted, and perhaps up to 1,000 more\nkv: no answer within 5s: .*\n`})
	check(t, map[string]string{"KV_URL": "http://127.0.0.1:1"}, "", "del --prefix a --yes", wants{5, "", `kv: .*; start the store with kv serve.*\n`})
}
