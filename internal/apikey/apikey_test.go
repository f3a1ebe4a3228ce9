package apikey_test

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/internal/apikey"
	"key-value/internal/reason"
)

func TestAuthenticate(t *testing.T) {
	keys := apikey.Single("default", "my-secret-key")
	for _, test := range []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"x-api-key opens", http.Header{"X-Api-Key": {"my-secret-key"}}, true},
		{"a bearer token opens", http.Header{"Authorization": {"Bearer my-secret-key"}}, true},
		{"the scheme's case does not matter", http.Header{"Authorization": {"bearer my-secret-key"}}, true},
		{"x-api-key wins over an Authorization for somebody else",
			http.Header{"X-Api-Key": {"my-secret-key"}, "Authorization": {"Basic Zm9v"}}, true},
		{"a wrong x-api-key is not helped by a right token",
			http.Header{"X-Api-Key": {"nope"}, "Authorization": {"Bearer my-secret-key"}}, false},
		{"no header at all", http.Header{}, false},
		{"an empty key", http.Header{"X-Api-Key": {""}}, false},
		{"a wrong key", http.Header{"X-Api-Key": {"my-secret-kez"}}, false},
		{"a key that begins right", http.Header{"X-Api-Key": {"my-secret-key2"}}, false},
		{"the key twice", http.Header{"X-Api-Key": {"my-secret-key", "my-secret-key"}}, false},
		{"another scheme", http.Header{"Authorization": {"Basic my-secret-key"}}, false},
		{"a token without scheme", http.Header{"Authorization": {"my-secret-key"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			principal, err := keys.Authenticate(test.header)
			if test.want != (err == nil) {
				t.Fatalf("Authenticate(%v) = %v, want success %v", test.header, err, test.want)
			}
			if test.want && principal.ID != "default" {
				t.Errorf("principal = %q, want the key's id", principal.ID)
			}
			if !test.want && reason.Of(err) != reason.APIKeyInvalid {
				t.Errorf("reason = %q, want API_KEY_INVALID", reason.Of(err))
			}
		})
	}
}

func TestEveryRefusalReadsTheSame(t *testing.T) {
	keys := apikey.Single("default", "my-secret-key")
	_, none := keys.Authenticate(http.Header{})
	_, wrong := keys.Authenticate(http.Header{"X-Api-Key": {"nope"}})
	if none.Error() != wrong.Error() {
		t.Errorf("no key: %q, a wrong key: %q; want no difference", none, wrong)
	}
}

func TestAnEmptySecretIsNoKey(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Single(\"\") made a key that everybody has")
		}
	}()
	apikey.Single("default", "")
}

func TestRequireLetsNobodyOutOnBehalfOfNobody(t *testing.T) {
	called := false
	call := apikey.Require(func(context.Context, connect.Spec) (connect.ClientStream, error) {
		called = true
		return nil, nil
	})
	if _, err := call(t.Context(), connect.Spec{}); reason.Of(err) != reason.APIKeyInvalid || called {
		t.Errorf("without a principal: err = %v, called = %v; want API_KEY_INVALID and no call", err, called)
	}
	if _, err := call(apikey.NewContext(t.Context(), apikey.Principal{ID: "a"}), connect.Spec{}); err != nil || !called {
		t.Errorf("with a principal: err = %v, called = %v; want a call", err, called)
	}
}

func TestGenerateNeverRepeats(t *testing.T) {
	a, b := apikey.Generate(), apikey.Generate()
	if a == b || len(a) < 26 {
		t.Errorf("Generate() = %q, then %q; want two long secrets that differ", a, b)
	}
}
