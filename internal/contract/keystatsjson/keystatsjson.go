// Package keystatsjson has the JSON form of key statistics, which REST and the admin address serve.
package keystatsjson

import (
	"math"
	"time"

	"github.com/go-json-experiment/json"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// body is the JSON form of GetKeyStatsResponse. Durations are in the syntax of time.Duration, as TTLs are.
type body struct {
	Enabled      bool       `json:"enabled"`
	Window       string     `json:"window"`
	SampledEvery int32      `json:"sampledEvery"`
	Reads        traffic    `json:"reads"`
	Writes       traffic    `json:"writes"`
	Sizes        sizes      `json:"sizes"`
	SlowCalls    []slowCall `json:"slowCalls"`
}

type traffic struct {
	PerSecond float64 `json:"perSecond"`
	Keys      []rate  `json:"keys"`
	Prefixes  []rate  `json:"prefixes"`
}

type rate struct {
	Key       string  `json:"key"`
	PerSecond float64 `json:"perSecond"`
	Share     float64 `json:"share"`
}

type sizes struct {
	Known         bool   `json:"known"`
	UnknownReason string `json:"unknownReason,omitzero"`
	Exact         bool   `json:"exact"`
	Age           string `json:"age"`
	Entries       int64  `json:"entries"`
	Bytes         int64  `json:"bytes"`
	Prefixes      []size `json:"prefixes"`
}

type size struct {
	Prefix  string `json:"prefix"`
	Level   int32  `json:"level"`
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

type slowCall struct {
	Age        string    `json:"age"`
	Duration   string    `json:"duration"`
	Method     string    `json:"method"`
	Key        string    `json:"key"`
	Operations int32     `json:"operations"`
	Code       string    `json:"code"`
	RequestID  string    `json:"requestId,omitzero"` // absent: none is known
	EndTime    time.Time `json:"endTime"`
}

// Marshal returns s in JSON, with a line break at the end.
func Marshal(s *keyvaluev1.GetKeyStatsResponse) ([]byte, error) {
	text, err := json.Marshal(body{
		Enabled: s.GetEnabled(), Window: text(s.GetWindow(), time.Second), SampledEvery: s.GetSampledEvery(),
		Reads: trafficOf(s.GetReads()), Writes: trafficOf(s.GetWrites()), Sizes: sizesOf(s.GetSizes()), SlowCalls: slowOf(s.GetSlowCalls()),
	})
	return append(text, '\n'), err
}

func text(d *durationpb.Duration, unit time.Duration) string {
	return d.AsDuration().Round(unit).String()
}

func trafficOf(t *keyvaluev1.KeyTraffic) traffic {
	return traffic{round(t.GetPerSecond(), 1e3), ratesOf(t.GetKeys()), ratesOf(t.GetPrefixes())}
}

func ratesOf(rates []*keyvaluev1.KeyRate) []rate {
	all := make([]rate, len(rates))
	for i, r := range rates {
		all[i] = rate{r.GetKey(), round(r.GetPerSecond(), 1e3), round(r.GetShare(), 1e6)}
	}
	return all
}

// round rounds v to a multiple of 1/unit: an estimate does not have the 17 digits of a float64.
func round(v, unit float64) float64 { return math.Round(v*unit) / unit }

func sizesOf(s *keyvaluev1.PrefixSizes) sizes {
	all := sizes{
		Known: s.GetKnown(), UnknownReason: s.GetUnknownReason(), Exact: s.GetExact(), Age: text(s.GetAge(), time.Millisecond),
		Entries: s.GetEntries(), Bytes: s.GetBytes(), Prefixes: make([]size, len(s.GetPrefixes())),
	}
	for i, p := range s.GetPrefixes() {
		all.Prefixes[i] = size{p.GetPrefix(), p.GetLevel(), p.GetEntries(), p.GetBytes()}
	}
	return all
}

func slowOf(calls []*keyvaluev1.SlowCall) []slowCall {
	all := make([]slowCall, len(calls))
	for i, c := range calls {
		all[i] = slowCall{
			Age: text(c.GetAge(), time.Millisecond), Duration: text(c.GetDuration(), time.Microsecond), Method: c.GetMethod(), Key: c.GetKey(),
			Operations: c.GetOperations(), Code: c.GetCode(), RequestID: c.GetRequestId(), EndTime: c.GetEndTime().AsTime(),
		}
	}
	return all
}
