package auth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/auth"
	"key-value/internal/contract"
)

// peer is the address of the callers.
const peer = "192.0.2.1:4711"

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	keys := auth.Single("default", "my-secret-key")
	for _, test := range []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"x-api-key", http.Header{"X-Api-Key": {"my-secret-key"}}, true},
		{"a bearer token", http.Header{"Authorization": {"Bearer my-secret-key"}}, true},
		{"a bearer token in lower case", http.Header{"Authorization": {"bearer my-secret-key"}}, true},
		{"x-api-key and an Authorization for a proxy",
			http.Header{"X-Api-Key": {"my-secret-key"}, "Authorization": {"Basic Zm9v"}}, true},
		{"a wrong x-api-key and a valid token",
			http.Header{"X-Api-Key": {"nope"}, "Authorization": {"Bearer my-secret-key"}}, false},
		{"no header", http.Header{}, false},
		{"an empty key", http.Header{"X-Api-Key": {""}}, false},
		{"a wrong key", http.Header{"X-Api-Key": {"my-secret-kez"}}, false},
		{"a valid key with one more character", http.Header{"X-Api-Key": {"my-secret-key2"}}, false},
		{"the key twice", http.Header{"X-Api-Key": {"my-secret-key", "my-secret-key"}}, false},
		{"another scheme", http.Header{"Authorization": {"Basic my-secret-key"}}, false},
		{"a token without a scheme", http.Header{"Authorization": {"my-secret-key"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			principal, err := keys.Authenticate(test.header, peer)
			if test.want != (err == nil) {
				t.Fatalf("Identify(%v) = %v, want success %v", test.header, err, test.want)
			}
			if test.want && principal.ID != "default" {
				t.Errorf("principal = %q, want the key's id", principal.ID)
			}
			if !test.want && contract.ReasonOf(err) != contract.APIKeyInvalid {
				t.Errorf("reason = %q, want API_KEY_INVALID", contract.ReasonOf(err))
			}
		})
	}
}

func TestEveryRefusalReadsTheSame(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good, revoked, expired, early := auth.Generate("good"), auth.Generate("revoked"), auth.Generate("expired"), auth.Generate("early")
	previous := auth.Generate("rotated")
	keys := open(t, auth.Config{Secret: "my-secret-key"},
		record("good", good, func(*auth.Record) {}),
		record("revoked", revoked, func(r *auth.Record) { r.Status = auth.Revoked }),
		record("expired", expired, func(r *auth.Record) { r.Expires = now.Add(-time.Second) }),
		record("early", early, func(r *auth.Record) { r.NotBefore = now.Add(time.Hour) }),
		record("rotated", auth.Generate("rotated"), func(r *auth.Record) {
			r.Previous = &auth.Previous{SHA256: auth.HashOf(previous), Expires: now.Add(-time.Second)}
		}),
	)
	_, none := keys.Authenticate(http.Header{}, peer)
	for name, key := range map[string]string{
		"an empty key":                   "",
		"a wrong key":                    "my-secret-kez",
		"an unknown id":                  auth.Generate("unknown"),
		"a known id with a wrong secret": auth.Generate("good"),
		"a key without its checksum":     good[:len(good)-7],
		"a mistyped key":                 good[:len(good)-8] + "?" + good[len(good)-7:],
		"a revoked key":                  revoked,
		"an expired key":                 expired,
		"a key that is not yet valid":    early,
		"a key whose grace is over":      previous,
		"a very long key":                "kv_good_" + strings.Repeat("x", 10_000),
	} {
		if _, err := keys.Authenticate(bearing(key), peer); err == nil || err.Error() != none.Error() || contract.ReasonOf(err) != contract.APIKeyInvalid {
			t.Errorf("the error for %s = %v, want that for no key: %v", name, err, none)
		}
	}
	for name, key := range map[string]string{"good": good, "default": "my-secret-key"} {
		if p, err := keys.Authenticate(bearing(key), peer); err != nil || p.ID != name {
			t.Errorf("the key %s = %v, %v; want it to be valid", name, p, err)
		}
	}
}

func TestAnEmptySecretPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("Single with an empty secret did not panic")
		}
	}()
	auth.Single("default", "")
}

func TestAuthorizeRefusesCallsWithoutAPrincipal(t *testing.T) {
	t.Parallel()
	called := false
	call := auth.Authorize(func(context.Context, connect.Spec) (connect.ClientStream, error) {
		called = true
		return nil, nil
	})
	if _, err := call(t.Context(), connect.Spec{}); contract.ReasonOf(err) != contract.APIKeyInvalid || called {
		t.Errorf("without a principal: err = %v, called = %v; want API_KEY_INVALID and no call", err, called)
	}
	if _, err := call(auth.NewContext(t.Context(), auth.Internal("a")), connect.Spec{}); err != nil || !called {
		t.Errorf("with a principal: err = %v, called = %v; want a call", err, called)
	}
}

func TestGeneratedKeysDiffer(t *testing.T) {
	t.Parallel()
	a, b := auth.Generate("ci"), auth.Generate("ci")
	if a == b || !strings.HasPrefix(a, "kv_ci_") || len(a) != len("kv_ci_")+32+1+6 {
		t.Errorf("Generate() = %q, then %q; want two that differ, with the id", a, b)
	}
}

func TestCheckingAKeyDoesNotAllocate(t *testing.T) {
	key := auth.Generate("ci")
	keys := open(t, auth.Config{Secret: "my-secret-key", FailuresPerSecond: 10},
		record("ci", key, func(r *auth.Record) { r.RequestsPerSecond = 1e9 }))
	for name, header := range map[string]http.Header{"a key of the file": bearing(key), "the key with all rights": bearing("my-secret-key")} {
		if n := testing.AllocsPerRun(1000, func() {
			p, err := keys.Authenticate(header, peer)
			if err != nil || p.TakeToken() != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("checking %s allocates %v times, want none", name, n)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	key := auth.Generate("ci")
	keys := open(b, auth.Config{Secret: "my-secret-key", FailuresPerSecond: 10}, record("ci", key, func(r *auth.Record) { r.RequestsPerSecond = 1e9 }))
	header := bearing(key)
	b.ReportAllocs()
	for b.Loop() {
		p, err := keys.Authenticate(header, peer)
		if err != nil || p.TakeToken() != nil {
			b.Fatal(err)
		}
	}
}

func TestOnlyAnAddressThatGuessesIsDelayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys, err := auth.New(auth.Config{Secret: "secret", FailuresPerSecond: 1})
		if err != nil {
			t.Fatal(err)
		}
		authenticate := func(key, peer string) (time.Duration, contract.Reason) {
			_, err := keys.Authenticate(bearing(key), peer)
			return auth.Delay(err), contract.ReasonOf(err)
		}
		for range 10 {
			if delay, why := authenticate("wrong", "192.0.2.1:1"); delay != 0 || why != contract.APIKeyInvalid {
				t.Fatalf("a wrong key is refused with %s, to be delayed by %v, want API_KEY_INVALID at once", why, delay)
			}
		}
		// Valid or not: the time must tell nothing about the key.
		for _, key := range []string{"wrong", "secret"} {
			if delay, why := authenticate(key, "192.0.2.1:1"); delay != 100*time.Millisecond || why != contract.RateLimited {
				t.Errorf("after ten wrong keys, %q is refused with %s, to be delayed by %v, want RATE_LIMITED and 100 ms", key, why, delay)
			}
		}
		if delay, why := authenticate("secret", "192.0.2.2:1"); delay != 0 || why != "" {
			t.Errorf("another address gets %q, to be delayed by %v", why, delay)
		}
	})
}
