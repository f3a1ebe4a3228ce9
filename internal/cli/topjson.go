package cli

import (
	"key-value/client"
	"key-value/internal/contract/keystatsjson"
)

// newKeyStatsJSON returns s as REST serves it.
func newKeyStatsJSON(s client.KeyStats) keystatsjson.Stats {
	sizes := keystatsjson.Sizes{
		Known: s.Sizes.Known, UnknownReason: s.Sizes.UnknownReason, Exact: s.Sizes.Exact, Age: keystatsjson.Age(s.Sizes.Age),
		Entries: s.Sizes.Entries, Bytes: s.Sizes.Bytes,
		Prefixes: mapped(s.Sizes.Prefixes, func(p client.PrefixSize) keystatsjson.Size { return keystatsjson.Size(p) }),
	}
	return keystatsjson.Stats{
		Enabled: s.Enabled, Window: keystatsjson.Window(s.Window), SampledEvery: s.SampledEvery,
		Reads: newTrafficJSON(s.Reads), Writes: newTrafficJSON(s.Writes), Sizes: sizes,
		SlowCalls: mapped(s.SlowCalls, func(c client.SlowCall) keystatsjson.SlowCall {
			return keystatsjson.SlowCall{
				Age: keystatsjson.Age(c.Age), Duration: keystatsjson.Duration(c.Duration), Method: c.Method, Key: c.Key,
				Operations: c.Operations, Code: c.Code, RequestID: c.RequestID, EndTime: c.EndTime,
			}
		}),
	}
}

func newTrafficJSON(t client.KeyTraffic) keystatsjson.Traffic {
	one := func(r client.KeyRate) keystatsjson.Rate { return keystatsjson.Rate(r) }
	return keystatsjson.Traffic{PerSecond: t.PerSecond, Keys: mapped(t.Keys, one), Prefixes: mapped(t.Prefixes, one)}
}

// mapped returns what f makes of each element, never nil.
func mapped[A, B any](all []A, f func(A) B) []B {
	made := make([]B, len(all))
	for i, a := range all {
		made[i] = f(a)
	}
	return made
}
