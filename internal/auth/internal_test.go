package auth

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"key-value/internal/keyrange"
)

func TestTheLongestPrefixDecides(t *testing.T) {
	t.Parallel()
	g := Grants{{"", Read}, {"a/", Read | Write}, {"a/secret/", 0}, {"a/secret/log", Write}}
	for key, want := range map[string]Ops{
		"": Read, "b": Read, "a": Read, "a/": Read | Write, "a/b": Read | Write,
		"a/secret/": 0, "a/secret/x": 0, "a/secret/log": Write, "a/secret/logs/1": Write,
	} {
		for _, ops := range []Ops{Read, Write, Read | Write} {
			if got := g.allowsKey(ops, key); got != (want&ops == ops) {
				t.Errorf("%s %q is allowed: %v, want %v", ops, key, got, !got)
			}
		}
	}
	if (Grants{}).allowsKey(Read, "a") || (Grants{{"b", Read}}).allowsKey(Read, "a") {
		t.Error("a key without a grant is allowed")
	}
}

// A range is allowed if and only if every key that can be in it is.
func TestARangeIsAllowedIfItsKeysAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab]{0,4}`)
		var g Grants
		for _, prefix := range rapid.SliceOfNDistinct(word, 0, 5, rapid.ID[string]).Draw(t, "prefixes") {
			g = append(g, Grant{prefix, Ops(rapid.IntRange(0, 3).Draw(t, "ops"))})
		}
		prefix := word.Draw(t, "prefix")
		want := true
		for n := range 1 << 6 {
			tail := strings.NewReplacer("0", "a", "1", "b").Replace(fmt.Sprintf("%06b", n))
			for i := range len(tail) + 1 {
				want = want && g.allowsKey(Read, prefix+tail[:i])
			}
		}
		if got := g.allowsRange(Read, keyrange.Of(prefix, "", "")); got != want {
			t.Fatalf("%v allows listing %q: %v, want %v", g, prefix, got, want)
		}
		// A narrower range needs no more, and is never allowed if one of its keys is not.
		narrow := keyrange.Of(prefix, word.Draw(t, "start"), word.Draw(t, "end"))
		got := g.allowsRange(Read, narrow)
		if want && !got && !narrow.Empty() {
			t.Fatalf("%v allows listing %q, but not %q, a part of it", g, prefix, narrow)
		}
		for n := range 1 << 6 {
			key := strings.NewReplacer("0", "a", "1", "b").Replace(fmt.Sprintf("%06b", n))
			for i := range len(key) + 1 {
				if got && narrow.Has(key[:i]) && !g.allowsKey(Read, key[:i]) {
					t.Fatalf("%v allows listing %q, but not %q", g, narrow, key[:i])
				}
			}
		}
	})
}

func TestABucketGivesItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, given := newRate(50), 0
		for range 1000 {
			if _, ok := b.take(time.Now()); ok {
				given++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if given < 540 || given > 551 {
			t.Errorf("%d tokens in ten seconds, want 500 and the 50 of a full bucket", given)
		}
		b.owe(100)
		if wait, ok := b.take(time.Now()); ok || wait < time.Second || wait > 2*time.Second+20*time.Millisecond {
			t.Errorf("with a debt of 100 tokens, take = %v after %v; want none for about 2 s", ok, wait)
		}
	})
}

func TestFailuresAreForgottenAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFailures(1)
		peer := func(n int) string { return fmt.Sprintf("10.%d.%d.%d:1", n>>16, n>>8&255, n&255) }
		for range 10 {
			if f.add(time.Now(), peer(0)) != 0 {
				t.Fatal("an address must wait after fewer than ten failures")
			}
		}
		if wait := f.add(time.Now(), peer(0)); wait != time.Second {
			t.Errorf("after ten failures an address waits for %v, want 1 s", wait)
		}
		if f.blocked(time.Now(), peer(0)) == 0 || f.blocked(time.Now(), peer(1)) != 0 {
			t.Error("want one address to be blocked, and no other")
		}
		time.Sleep(time.Second)
		if f.blocked(time.Now(), peer(0)) != 0 {
			t.Error("the address is still blocked after a second")
		}
		for n := range 3 * maxSources {
			f.add(time.Now(), peer(n))
		}
		if len(f.full) > maxSources {
			t.Errorf("%d addresses are remembered, want at most %d", len(f.full), maxSources)
		}
	})
}

func TestAddressesOfANetworkCountAsOne(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"192.0.2.1:1", "192.0.2.1:2"}, {"192.0.2.1:1", "[::ffff:192.0.2.1]:1"}, {"[2001:db8::1]:1", "[2001:db8::2]:1"}, {"", "@"},
	} {
		if a, b := sourceOf(pair[0]), sourceOf(pair[1]); a != b {
			t.Errorf("%s counts as %v and %s as %v, want the same", pair[0], a, pair[1], b)
		}
	}
	if sourceOf("192.0.2.1:1") == sourceOf("192.0.2.2:1") || sourceOf("[2001:db8::1]:1") == sourceOf("[2001:db8:0:1::1]:1") {
		t.Error("different networks count as the same")
	}
}

// The checksum finds any single wrong character.
func TestAMistypedKeyIsNotWellFormed(t *testing.T) {
	t.Parallel()
	key := Generate("ci")
	if id, ok := idOf(key); id != "ci" || !ok {
		t.Fatalf("idOf(%s) = %q, %v", key, id, ok)
	}
	for i := range len(key) {
		wrong := []byte(key)
		if wrong[i]++; wrong[i] == '_' {
			wrong[i]++
		}
		if _, ok := idOf(string(wrong)); ok {
			t.Errorf("%s is well formed although character %d is wrong", wrong, i)
		}
	}
}

func FuzzIDOf(f *testing.F) {
	f.Add(Generate("ci"))
	f.Add("kv__" + strings.Repeat("x", 32) + "_000000")
	f.Fuzz(func(t *testing.T, key string) {
		if id, ok := idOf(key); ok && (!ValidID(id) || !strings.HasPrefix(key, "kv_"+id+"_")) {
			t.Errorf("idOf(%q) = %q", key, id)
		}
	})
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"keys":[{"id":"a","sha256":"` + strings.Repeat("ab", 32) + `","status":"active","grants":[{"prefix":"a/","ops":["read"]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseFile(data)
		if err != nil {
			return
		}
		again, err := file.format()
		if err != nil {
			t.Fatalf("%s can be read but not written: %v", data, err)
		}
		if _, err := parseFile(again); err != nil {
			t.Fatalf("%s can be written but not read: %v", again, err)
		}
	})
}
