package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/auth"
	"key-value/internal/contract"
)

func TestWhoGuessesIsKeptWaitingAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := auth.New(auth.Config{Secret: "secret", FailuresPerSecond: 1})
		if err != nil {
			t.Fatal(err)
		}
		took := func(ctx context.Context, key, peer string) (time.Duration, contract.Reason) {
			start := time.Now()
			_, err := keys.Admit(ctx, bearing(key), peer)
			return time.Since(start), contract.ReasonOf(err)
		}
		for range 10 {
			if waited, why := took(t.Context(), "wrong", "192.0.2.1:1"); waited != 0 || why != contract.APIKeyInvalid {
				t.Fatalf("a wrong key was refused with %s after %v, want API_KEY_INVALID at once", why, waited)
			}
		}
		// Found or not, so that the time says nothing about the key.
		for _, key := range []string{"wrong", "secret"} {
			if waited, why := took(t.Context(), key, "192.0.2.1:1"); waited < 10*time.Millisecond || why != contract.RateLimited {
				t.Errorf("after ten, the key %q was refused with %s after %v, want RATE_LIMITED after a while", key, why, waited)
			}
		}
		if waited, why := took(t.Context(), "secret", "192.0.2.2:1"); waited != 0 || why != "" {
			t.Errorf("somebody else waited for %v and got %q", waited, why)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if waited, _ := took(ctx, "wrong", "192.0.2.1:1"); waited != 0 {
			t.Errorf("who has left was kept for %v", waited)
		}
	})
}
