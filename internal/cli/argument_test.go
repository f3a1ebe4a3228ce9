package cli

import (
	"strings"
	"testing"
)

// A value is stored as it is, or kv says how to write it and exits with 2: nothing is lost without a word.
func TestAValueThatLooksLikeAFlagIsNotLost(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, verb := range []string{"set", "put"} {
		for _, value := range []string{"-5", "-0.5", "-.5", "-1e9", "-1.5E-3", "", "a -b", "—"} {
			wantStored(t, env, value, verb, "k", value)
			wantStored(t, env, value, verb, "--ttl", "5m", "k", value)
			wantStored(t, env, value, verb, "k", value, "--ttl", "5m", "-o", "none")
		}
		for _, value := range []string{"-5", "-h", "--help", "-x", "-", "--", "--ttl=5m", "--create-only"} {
			wantStored(t, env, value, verb, "--", "k", value)
			wantStored(t, env, value, verb, "k", "--", value)
		}
		for _, value := range []string{"-h", "--help", "-x", "--nope", "-5x", "-5 ", "--ttl", "-orange", "---", "-=", "-o json"} {
			wantRefused(t, env, value, verb, "k", value)
		}
	}
	for _, args := range [][]string{
		{"set", "-h", "x"}, {"set", "-5", "x"}, {"incr", "-5", "3"}, {"incr", "k", "-h"}, {"incr", "k", "-x"}, {"del", "k", "-h"},
		{"rm", "k", "--help"}, {"touch", "k", "--ttl", "5m", "-h"}, {"get", "-k"}, {"ls", "-k"},
	} {
		wantRefused(t, env, args[1], args...)
	}
	if got := kv(t, env, "", "get", "3"); got.code != 3 {
		t.Errorf("kv incr -5 3 counted in the key 3: %+v", got)
	}
}

func wantStored(t *testing.T, env map[string]string, value string, args ...string) {
	t.Helper()
	kv(t, env, "", "del", "k")
	set := kv(t, env, "from standard input", args...)
	if got := kv(t, env, "", "get", "k"); set != (result{}) || got != (result{out: value}) {
		t.Errorf("kv %q = %+v, then get = %+v; want %q", args, set, got, value)
	}
}

func wantRefused(t *testing.T, env map[string]string, what string, args ...string) {
	t.Helper()
	kv(t, env, "before", "set", "k")
	refused := kv(t, env, "from standard input", args...)
	if refused.code != 2 || refused.out != "" || !strings.Contains(refused.err, " goes after --: kv ") {
		t.Errorf("kv %q = %+v; want code 2 and how to write %q", args, refused, what)
	}
	if got := kv(t, env, "", "get", "k"); got != (result{out: "before"}) {
		t.Errorf("after kv %q, get = %+v", args, got)
	}
}

func TestAnEmptyStandardInputIsNoValueUnlessAllowed(t *testing.T) {
	t.Parallel()
	env := serving(t)
	kv(t, env, "before", "set", "k")
	for _, args := range [][]string{{"set", "k"}, {"set", "k", "-"}, {"set", "k", "--create-only"}} {
		if got := kv(t, env, "", args...); got.code != 2 || !strings.Contains(got.err, "--allow-empty") {
			t.Errorf("kv %v = %+v, want code 2 and a hint", args, got)
		}
	}
	if got := kv(t, env, "", "get", "k"); got != (result{out: "before"}) {
		t.Errorf("get = %+v", got)
	}
	wantStored(t, env, "from standard input", "set", "k", "--allow-empty")
	kv(t, env, "", "set", "k", "--allow-empty")
	if got := kv(t, env, "", "get", "k"); got != (result{}) {
		t.Errorf("with --allow-empty, get = %+v", got)
	}
}

func TestHelpIsPrintedWithoutArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"set", "-h"}, {"set", "--help"}, {"help", "set"}, {"put", "-h"}, {"get", "k", "-h"}, {"-h"}, {}} {
		if got := kv(t, nil, "", args...); got.code != 0 || !strings.Contains(got.out, "Usage:") {
			t.Errorf("kv %v = %+v, want the help", args, got)
		}
	}
}

// A mistyped verb may have been meant to read.
func TestAWrongVerbNeverSuggestsToChangeEntries(t *testing.T) {
	t.Parallel()
	root := newRoot("test", streams{}, func(string) string { return "" })
	for _, word := range []string{"gett", "sett", "dell", "d", "s", "delet", "removee", "incrr", "tuoch", "moev", "imprt", "bacth", "edi", "c", "m"} {
		got := kv(t, nil, "", word, "k")
		if got.code != 2 || !strings.HasPrefix(got.err, "kv: unknown command ") {
			t.Errorf("kv %s = %+v", word, got)
		}
		_, hint, _ := strings.Cut(got.err, "did you mean")
		for _, cmd := range root.Commands() {
			if writes(cmd) && strings.Contains(hint, " "+cmd.Name()) {
				t.Errorf("kv %s suggests kv %s", word, cmd.Name())
			}
		}
	}
}
