package cli

import (
	"time"

	"key-value/client"
)

// keyStatsJSON has the members of the REST answer.
type keyStatsJSON struct {
	Enabled      bool           `json:"enabled"`
	Window       string         `json:"window"` // this and other durations in Go's syntax, as over REST
	SampledEvery int            `json:"sampledEvery"`
	Reads        keyTrafficJSON `json:"reads"`
	Writes       keyTrafficJSON `json:"writes"`
	Sizes        sizesJSON      `json:"sizes"`
	SlowCalls    []slowCallJSON `json:"slowCalls"`
}

type keyTrafficJSON struct {
	PerSecond float64       `json:"perSecond"`
	Keys      []keyRateJSON `json:"keys"`
	Prefixes  []keyRateJSON `json:"prefixes"`
}

type keyRateJSON struct {
	Key       string  `json:"key"`
	PerSecond float64 `json:"perSecond"`
	Share     float64 `json:"share"`
}

type sizesJSON struct {
	Known         bool       `json:"known"`
	UnknownReason string     `json:"unknownReason,omitzero"`
	Exact         bool       `json:"exact"`
	Age           string     `json:"age"`
	Entries       int64      `json:"entries"`
	Bytes         int64      `json:"bytes"`
	Prefixes      []sizeJSON `json:"prefixes"`
}

type sizeJSON struct {
	Prefix  string `json:"prefix"`
	Level   int    `json:"level"`
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

type slowCallJSON struct {
	Age        string    `json:"age"`
	Duration   string    `json:"duration"`
	Method     string    `json:"method"`
	Key        string    `json:"key"`
	Operations int       `json:"operations"`
	Code       string    `json:"code"`
	RequestID  string    `json:"requestId,omitzero"`
	EndTime    time.Time `json:"endTime"`
}

func newKeyStatsJSON(s client.KeyStats) keyStatsJSON {
	sizes := sizesJSON{
		Known: s.Sizes.Known, UnknownReason: s.Sizes.UnknownReason, Exact: s.Sizes.Exact, Age: s.Sizes.Age.Round(time.Millisecond).String(),
		Entries: s.Sizes.Entries, Bytes: s.Sizes.Bytes,
		Prefixes: mapped(s.Sizes.Prefixes, func(p client.PrefixSize) sizeJSON { return sizeJSON(p) }),
	}
	return keyStatsJSON{
		s.Enabled, s.Window.Round(time.Second).String(), s.SampledEvery, newKeyTrafficJSON(s.Reads), newKeyTrafficJSON(s.Writes), sizes,
		mapped(s.SlowCalls, func(c client.SlowCall) slowCallJSON {
			return slowCallJSON{
				c.Age.Round(time.Millisecond).String(), c.Duration.Round(time.Microsecond).String(), c.Method, c.Key, c.Operations,
				c.Code, c.RequestID, c.EndTime,
			}
		}),
	}
}

func newKeyTrafficJSON(t client.KeyTraffic) keyTrafficJSON {
	one := func(r client.KeyRate) keyRateJSON { return keyRateJSON(r) }
	return keyTrafficJSON{t.PerSecond, mapped(t.Keys, one), mapped(t.Prefixes, one)}
}

// mapped returns what f makes of each element, never nil.
func mapped[A, B any](all []A, f func(A) B) []B {
	made := make([]B, len(all))
	for i, a := range all {
		made[i] = f(a)
	}
	return made
}
