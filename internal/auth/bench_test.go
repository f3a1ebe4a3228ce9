package auth_test

import (
	"slices"
	"testing"
	"time"

	"key-value/internal/auth"
)

// BenchmarkRefusals measures how long each kind of invalid key takes to be refused, in turns. The times must not tell
// which ids exist. All keys have the same length, as do their ids.
func BenchmarkRefusals(b *testing.B) {
	revoked, expired, early, good := auth.Generate("aaaa"), auth.Generate("bbbb"), auth.Generate("cccc"), auth.Generate("dddd")
	keys := open(b, auth.Config{Secret: "my-secret-key"},
		record("aaaa", revoked, func(r *auth.Record) { r.Status = auth.Revoked }),
		record("bbbb", expired, func(r *auth.Record) { r.Expires = time.Now().Add(-time.Hour) }),
		record("cccc", early, func(r *auth.Record) { r.NotBefore = time.Now().Add(time.Hour) }),
		record("dddd", good),
	)
	kinds := []struct {
		name, key string
		took      []time.Duration
	}{
		{name: "unknown", key: auth.Generate("eeee")},
		{name: "wrong", key: auth.Generate("dddd")},
		{name: "revoked", key: revoked},
		{name: "expired", key: expired},
		{name: "early", key: early},
		{name: "malformed", key: good[:len(good)-1] + "?"},
	}
	const calls = 1000 // per turn
	for b.Loop() {
		for i := range kinds {
			header, begin := bearing(kinds[i].key), time.Now()
			for range calls {
				if _, err := keys.Authenticate(header, peer); err == nil {
					b.Fatalf("the %s key is accepted", kinds[i].name)
				}
			}
			kinds[i].took = append(kinds[i].took, time.Since(begin))
		}
	}
	for _, kind := range kinds {
		slices.Sort(kind.took)
		b.ReportMetric(float64(kind.took[len(kind.took)/2])/calls, kind.name+"-ns")
	}
	b.ReportMetric(0, "ns/op") // the sum over all kinds means nothing
}
