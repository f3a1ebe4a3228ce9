package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/contract"
)

// forge returns a ticket for all keys until expiry, signed with hash as this version of the store does. Gateways of
// different versions must agree on it.
func forge(id string, expiry time.Time, hash auth.Hash) string {
	b := binary.BigEndian.AppendUint64([]byte{1, 'p'}, uint64(expiry.UnixMilli()))
	b = append(append(b, byte(len(id))), id...)
	mac := hmac.New(sha256.New, hash[:])
	mac.Write([]byte("keyvalue.v1 watch ticket\x00"))
	mac.Write(b)
	return "kvt_" + base64.RawURLEncoding.EncodeToString(mac.Sum(b))
}

// issue returns a ticket for all keys, made with key.
func issue(t testing.TB, keys *auth.Keys, key string) string {
	t.Helper()
	p, err := keys.Authenticate(bearing(key), peer)
	if err != nil {
		t.Fatal(err)
	}
	res, err := auth.CreateTicket(auth.NewContext(t.Context(), p), &keyvaluev1.CreateTicketRequest{
		Target: &keyvaluev1.CreateTicketRequest_Prefix{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetTicket()
}

func TestOnlyAValidKeySignsATicket(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Minute)
	good, revoked, old, older := auth.Generate("good"), auth.Generate("revoked"), auth.Generate("rotated"), auth.Generate("late")
	keys := open(t, auth.Config{Secret: "my-secret-key"},
		record("good", good),
		record("revoked", revoked, func(r *auth.Record) { r.Status = auth.Revoked }),
		record("rotated", auth.Generate("rotated"), func(r *auth.Record) {
			r.Previous = &auth.Previous{SHA256: auth.HashOf(old), Expires: time.Now().Add(time.Hour)}
		}),
		record("late", auth.Generate("late"), func(r *auth.Record) {
			r.Previous = &auth.Previous{SHA256: auth.HashOf(older), Expires: time.Now().Add(-time.Second)}
		}),
	)
	for _, test := range []struct {
		name, ticket string
		want         bool
	}{
		{"signed with its key", forge("good", soon, auth.HashOf(good)), true},
		{"made with a key of the file", issue(t, keys, good), true},
		{"made with the key with all rights", issue(t, keys, "my-secret-key"), true},
		{"signed with a key that was rotated and is still valid", forge("rotated", soon, auth.HashOf(old)), true},
		{"signed with a key that was rotated and is not valid any more", forge("late", soon, auth.HashOf(older)), false},
		{"signed with the key of another id", forge("good", soon, auth.HashOf(old)), false},
		{"signed with a revoked key", forge("revoked", soon, auth.HashOf(revoked)), false},
		{"signed with nothing, for an unknown id", forge("unknown", soon, auth.Hash{}), false},
		{"signed with nothing, for a key that was not rotated", forge("good", soon, auth.Hash{}), false},
		{"signed with nothing, for the key with all rights", forge("default", soon, auth.Hash{}), false},
		{"signed with nothing, for no id", forge("", soon, auth.Hash{}), false},
		{"signed with the hash that a guess of the key with all rights has", forge("default", soon, auth.HashOf("my-secret-key")), false},
		{"expired", forge("good", time.Now(), auth.HashOf(good)), false},
		{"expired before 1970", forge("good", time.UnixMilli(-1), auth.HashOf(good)), false},
		{"with a line break", strings.Replace(forge("good", soon, auth.HashOf(good)), "_", "_\n", 1), false},
		{"with padding", forge("good", soon, auth.HashOf(good)) + "=", false},
	} {
		p, err := keys.AuthenticateTicket(test.ticket, peer)
		if (err == nil) != test.want || err != nil && contract.ReasonOf(err) != contract.TicketInvalid {
			t.Errorf("a ticket %s: %v, want it to be accepted: %v", test.name, err, test.want)
		}
		if p != nil && p.MayWrite("a") == nil {
			t.Errorf("a ticket %s: it lets its bearer write", test.name)
		}
	}
}

// An address that guesses keys must not learn from a ticket that it succeeded.
func TestInvalidTicketsCountAsInvalidKeys(t *testing.T) {
	t.Parallel()
	good := auth.Generate("good")
	keys := open(t, auth.Config{Secret: "my-secret-key", FailuresPerSecond: 1}, record("good", good))
	single, expired := issue(t, keys, "my-secret-key"), forge("good", time.Now(), auth.HashOf(good))
	for range 100 {
		if _, err := keys.AuthenticateTicket(expired, peer); contract.ReasonOf(err) != contract.TicketInvalid {
			t.Fatalf("an expired ticket = %v, want TICKET_INVALID however often it is sent", err)
		}
	}
	last := error(nil)
	for range 100 {
		_, last = keys.AuthenticateTicket("kvt_guess", peer)
	}
	if contract.ReasonOf(last) != contract.RateLimited || auth.Delay(last) == 0 {
		t.Errorf("the hundredth invalid ticket = %v, want RATE_LIMITED, and later", last)
	}
	if _, err := keys.AuthenticateTicket(single, peer); contract.ReasonOf(err) != contract.RateLimited {
		t.Errorf("a ticket of the key with all rights from that address = %v, want RATE_LIMITED", err)
	}
	if _, err := keys.AuthenticateTicket(issue(t, keys, good), peer); err != nil {
		t.Errorf("a ticket of a generated key from that address = %v, want it to be accepted", err)
	}
	if _, err := keys.AuthenticateTicket(single, "192.0.2.2:1"); err != nil || keys.Refused() < 200 {
		t.Errorf("from another address: %v, with %d refusals; want it to be accepted, and all to be counted", err, keys.Refused())
	}
}

// No text but the tickets that were made opens anything.
func FuzzTicket(f *testing.F) {
	key := auth.Generate("good")
	keys := open(f, auth.Config{}, record("good", key))
	ticket := issue(f, keys, key)
	for _, text := range []string{
		"", "kvt_", "kvt_AQ", "kvt_" + strings.Repeat("A", 100), "kvt_" + strings.Repeat("_", 2000), ticket, ticket + "=", ticket[:len(ticket)-1],
		forge("good", time.Now().Add(time.Hour), auth.Hash{}), forge(strings.Repeat("x", 255), time.Now(), auth.Hash{}),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := keys.AuthenticateTicket(text, peer)
		if (err == nil) != (text == ticket) || (p == nil) != (err != nil) || err != nil && contract.ReasonOf(err) != contract.TicketInvalid {
			t.Errorf("AuthenticateTicket(%q) = %v, %v; want TICKET_INVALID for all but %q", text, p, err, ticket)
		}
	})
}

func BenchmarkTicket(b *testing.B) {
	key := auth.Generate("good")
	keys := open(b, auth.Config{}, record("good", key))
	ticket := issue(b, keys, key)
	b.Run("valid", func(b *testing.B) {
		for b.Loop() {
			_, _ = keys.AuthenticateTicket(ticket, peer)
		}
	})
	b.Run("forged", func(b *testing.B) {
		forged := forge("good", time.Now().Add(time.Hour), auth.HashOf("guess"))
		for b.Loop() {
			_, _ = keys.AuthenticateTicket(forged, peer)
		}
	})
}
