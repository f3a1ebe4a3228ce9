package requestid_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"key-value/internal/observe/requestid"
)

func TestOnlySafeIDsAreAccepted(t *testing.T) {
	for name, test := range map[string]struct {
		values   []string
		accepted bool
	}{
		"letters, digits and marks":   {[]string{"Req-1_a.b:c"}, true},
		"one as long as allowed":      {[]string{strings.Repeat("a", 128)}, true},
		"none":                        {nil, false},
		"an empty one":                {[]string{""}, false},
		"one that is too long":        {[]string{strings.Repeat("a", 129)}, false},
		"two":                         {[]string{"a", "b"}, false},
		"one with a line break":       {[]string{"a\nlevel=ERROR"}, false},
		"one with a space":            {[]string{"a b"}, false},
		"one with quotes":             {[]string{`a"b`}, false},
		"one with a comma":            {[]string{"a,b"}, false},
		"one that is not ASCII":       {[]string{"ä"}, false},
		"one with a control sequence": {[]string{"\x1b[31m"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			answer := http.Header{}
			ctx := accept(t.Context(), http.Header{requestid.Header: test.values}, answer)
			got := requestid.FromContext(ctx)
			if accepted := len(test.values) == 1 && got == test.values[0]; accepted != test.accepted {
				t.Errorf("the id is %q, want accepted %v", got, test.accepted)
			}
			if got == "" || answer.Get(requestid.Header) != got {
				t.Errorf("the id is %q, but the response has %q", got, answer)
			}
		})
	}
}

func TestGeneratedIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := requestid.FromContext(accept(t.Context(), http.Header{}, http.Header{}))
		if len(id) != 16 || seen[id] {
			t.Fatalf("id %q is short or was generated before", id)
		}
		seen[id] = true
	}
}

func TestIDTakesTwoAllocations(t *testing.T) {
	answer := http.Header{}
	if n := testing.AllocsPerRun(100, func() { accept(t.Context(), nil, answer) }); n > 2 {
		t.Errorf("an id takes %v allocations, want the text and its context", n)
	}
}

func TestContextWithIDKeepsItsParent(t *testing.T) {
	type key struct{}
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	ctx, done := context.WithCancel(accept(parent, nil, http.Header{}))
	defer done()
	if ctx.Value(key{}) != "value" || requestid.FromContext(ctx) == "" {
		t.Error("a context with an id lacks the values of its parent")
	}
	cancel()
	<-ctx.Done()
}

// chosen returns a context with an id chosen by the caller.
func chosen(t *testing.T, id string) context.Context {
	return accept(t.Context(), http.Header{requestid.Header: {id}}, http.Header{})
}

func TestBatchHasTheIDsOfItsCalls(t *testing.T) {
	generated := accept(t.Context(), nil, http.Header{})
	calls := []context.Context{chosen(t, "a"), t.Context(), generated, chosen(t, "b")}
	want := "a," + requestid.FromContext(generated) + ",b"
	if got := requestid.FromContext(requestid.Gather(t.Context(), calls)); got != want {
		t.Errorf("the ids are %q, want %s", got, want)
	}
	if got := requestid.FromContext(requestid.Gather(t.Context(), calls[1:2])); got != "" {
		t.Errorf("a batch of calls without ids has %q, want none", got)
	}
}

func TestIDsOfABatchAreBounded(t *testing.T) {
	calls := make([]context.Context, 1000)
	for i := range calls {
		calls[i] = chosen(t, strings.Repeat("a", 128))
	}
	got := requestid.FromContext(requestid.Gather(t.Context(), calls))
	if len(got) > 8<<10 || !strings.HasSuffix(got, ",+937") {
		t.Errorf("%d bytes of ids that end with %s, want at most 8 KiB that end with ,+937", len(got), got[len(got)-10:])
	}
}

func TestLogLinesHaveTheID(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(requestid.LogHandler(slog.NewTextHandler(&out, nil)))
	log.InfoContext(chosen(t, "abc"), "one")
	log.With("a", 1).InfoContext(chosen(t, "def"), "two")
	log.Info("three")
	for i, want := range []string{"msg=one request=abc", "msg=two a=1 request=def", "msg=three"} {
		if line := strings.Split(out.String(), "\n")[i]; !strings.HasSuffix(line, want) {
			t.Errorf("line %d is %q, want it to end with %s", i+1, line, want)
		}
	}
}

// accept returns ctx with the id of a request.
func accept(ctx context.Context, request, response http.Header) context.Context {
	id := &requestid.Context{}
	id.Accept(ctx, request, response)
	return id
}
