// Package keystatsjson has the JSON form of key statistics, which REST and the admin address serve.
package keystatsjson

import (
	"time"

	"github.com/go-json-experiment/json"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Stats is the JSON form of GetKeyStatsResponse. Durations are in the syntax of time.Duration, as TTLs are.
type Stats struct {
	Enabled      bool       `json:"enabled"`
	Window       string     `json:"window"`
	SampledEvery int        `json:"sampledEvery"`
	Reads        Traffic    `json:"reads"`
	Writes       Traffic    `json:"writes"`
	Sizes        Sizes      `json:"sizes"`
	SlowCalls    []SlowCall `json:"slowCalls"`
}

// Traffic is the JSON form of KeyTraffic.
type Traffic struct {
	PerSecond float64 `json:"perSecond"`
	Keys      []Rate  `json:"keys"`
	Prefixes  []Rate  `json:"prefixes"`
}

// Rate is the JSON form of KeyRate.
type Rate struct {
	Key       string  `json:"key"`
	PerSecond float64 `json:"perSecond"`
	Share     float64 `json:"share"`
}

// Sizes is the JSON form of PrefixSizes.
type Sizes struct {
	Known         bool   `json:"known"`
	UnknownReason string `json:"unknownReason,omitzero"`
	Exact         bool   `json:"exact"`
	Age           string `json:"age"`
	Entries       int64  `json:"entries"`
	Bytes         int64  `json:"bytes"`
	Prefixes      []Size `json:"prefixes"`
}

// Size is the JSON form of PrefixSize.
type Size struct {
	Prefix  string `json:"prefix"`
	Level   int    `json:"level"`
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

// SlowCall is the JSON form of SlowCall.
type SlowCall struct {
	Age        string    `json:"age"`
	Duration   string    `json:"duration"`
	Method     string    `json:"method"`
	Key        string    `json:"key"`
	Operations int       `json:"operations"`
	Code       string    `json:"code"`
	RequestID  string    `json:"requestId,omitzero"` // absent: none is known
	EndTime    time.Time `json:"endTime"`
}

// Marshal returns s in JSON, with a line break at the end.
func Marshal(s *keyvaluev1.GetKeyStatsResponse) ([]byte, error) {
	text, err := json.Marshal(Stats{
		Enabled: s.GetEnabled(), Window: Window(s.GetWindow().AsDuration()), SampledEvery: int(s.GetSampledEvery()),
		Reads: trafficOf(s.GetReads()), Writes: trafficOf(s.GetWrites()), Sizes: sizesOf(s.GetSizes()), SlowCalls: slowOf(s.GetSlowCalls()),
	})
	return append(text, '\n'), err
}

// Window formats the window of rates.
func Window(d time.Duration) string { return d.Round(time.Second).String() }

// Age formats how long ago something happened.
func Age(d time.Duration) string { return d.Round(time.Millisecond).String() }

// Duration formats how long a call took.
func Duration(d time.Duration) string { return d.Round(time.Microsecond).String() }

func trafficOf(t *keyvaluev1.KeyTraffic) Traffic {
	return Traffic{t.GetPerSecond(), ratesOf(t.GetKeys()), ratesOf(t.GetPrefixes())}
}

func ratesOf(rates []*keyvaluev1.KeyRate) []Rate {
	all := make([]Rate, len(rates))
	for i, r := range rates {
		all[i] = Rate{r.GetKey(), r.GetPerSecond(), r.GetShare()}
	}
	return all
}

func sizesOf(s *keyvaluev1.PrefixSizes) Sizes {
	all := Sizes{
		Known: s.GetKnown(), UnknownReason: s.GetUnknownReason(), Exact: s.GetExact(), Age: Age(s.GetAge().AsDuration()),
		Entries: s.GetEntries(), Bytes: s.GetBytes(), Prefixes: make([]Size, len(s.GetPrefixes())),
	}
	for i, p := range s.GetPrefixes() {
		all.Prefixes[i] = Size{p.GetPrefix(), int(p.GetLevel()), p.GetEntries(), p.GetBytes()}
	}
	return all
}

func slowOf(calls []*keyvaluev1.SlowCall) []SlowCall {
	all := make([]SlowCall, len(calls))
	for i, c := range calls {
		all[i] = SlowCall{
			Age: Age(c.GetAge().AsDuration()), Duration: Duration(c.GetDuration().AsDuration()), Method: c.GetMethod(), Key: c.GetKey(),
			Operations: int(c.GetOperations()), Code: c.GetCode(), RequestID: c.GetRequestId(), EndTime: c.GetEndTime().AsTime(),
		}
	}
	return all
}
