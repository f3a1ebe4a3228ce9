package client

import (
	"context"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// KeyStats describes which keys and prefixes are read and written most, what takes memory, and which calls were slowest.
// It is about the kvservice that answered: of several over one Redis or etcd, each knows the calls that it served itself.
type KeyStats struct {
	Enabled      bool          // whether the store gathers these statistics; if not, everything else is empty
	Window       time.Duration // over which rates are estimated: a minute, or less shortly after a start
	SampledEvery int           // one in so many operations is sampled now; rates take it into account
	Reads        KeyTraffic
	Writes       KeyTraffic
	Sizes        PrefixSizes
	SlowCalls    []SlowCall // of the last five to ten minutes, slowest first, without watches
}

// KeyTraffic is estimated traffic of one kind, reads or writes.
type KeyTraffic struct {
	PerSecond float64   // of all operations of the kind
	Keys      []KeyRate // highest first
	Prefixes  []KeyRate // highest first; a prefix ends with the first, second or third "/" of its keys
}

// KeyRate is the estimated rate of a key, or of all keys with a prefix.
type KeyRate struct {
	Key       string // or prefix
	PerSecond float64
	Share     float64 // of all operations of the kind, from 0 to 1
}

// PrefixSizes says how much is stored by prefix.
type PrefixSizes struct {
	Known         bool          // whether the engine can say; if not, the sizes are zero
	UnknownReason string        // why it cannot, in words
	Exact         bool          // whether all entries were counted; otherwise a sample was
	Age           time.Duration // how long ago
	Entries       int64         // all of them
	Bytes         int64         // memory of all entries, without the structures around them
	Prefixes      []PrefixSize  // by level, largest first
}

// PrefixSize is how much is stored with a prefix.
type PrefixSize struct {
	Prefix  string
	Level   int   // number of delimiters in it that end a level, from 1 to 3
	Entries int64 // with the prefix
	Bytes   int64 // memory of these entries
}

// SlowCall is a call that took long.
type SlowCall struct {
	Age        time.Duration // how long ago it ended; setting the clock does not change it
	Duration   time.Duration // in the service, without the network
	Method     string        // such as "Get"
	Key        string        // the key; the prefix or start of a range; the first key of a batch
	Operations int           // of a batch; otherwise 1
	Code       string        // "ok", or the name of its status code, such as "not_found"
	RequestID  string        // or several, separated by commas; empty: none is known
	EndTime    time.Time     // by the clock of the store as it is set now
}

// KeyStats returns which keys are hot, which prefixes are big and which calls were slow. Each list has at most limit elements,
// and Sizes.Prefixes as many of each level. Zero means 20, and more than 100 means 100. The API key must allow reading and writing every key; otherwise it fails with
// [ErrPermissionDenied].
func (c *Client) KeyStats(ctx context.Context, limit int) (KeyStats, error) {
	s, err := call(ctx, &keyvaluev1.GetKeyStatsRequest{Limit: int32(limit)}, c.rpc.GetKeyStats)
	if err != nil {
		return KeyStats{}, err
	}
	stats := KeyStats{
		Enabled: s.GetEnabled(), Window: s.GetWindow().AsDuration(), SampledEvery: int(s.GetSampledEvery()),
		Reads: newKeyTraffic(s.GetReads()), Writes: newKeyTraffic(s.GetWrites()), Sizes: newPrefixSizes(s.GetSizes()),
	}
	for _, c := range s.GetSlowCalls() {
		stats.SlowCalls = append(stats.SlowCalls, SlowCall{
			Age: c.GetAge().AsDuration(), Duration: c.GetDuration().AsDuration(), Method: c.GetMethod(), Key: c.GetKey(),
			Operations: int(c.GetOperations()), Code: c.GetCode(), RequestID: c.GetRequestId(), EndTime: timeOf(c.GetEndTime()),
		})
	}
	return stats, nil
}

func newKeyTraffic(t *keyvaluev1.KeyTraffic) KeyTraffic {
	return KeyTraffic{PerSecond: t.GetPerSecond(), Keys: newKeyRates(t.GetKeys()), Prefixes: newKeyRates(t.GetPrefixes())}
}

func newKeyRates(rates []*keyvaluev1.KeyRate) []KeyRate {
	all := make([]KeyRate, len(rates))
	for i, r := range rates {
		all[i] = KeyRate{Key: r.GetKey(), PerSecond: r.GetPerSecond(), Share: r.GetShare()}
	}
	return all
}

func newPrefixSizes(s *keyvaluev1.PrefixSizes) PrefixSizes {
	sizes := PrefixSizes{
		Known: s.GetKnown(), UnknownReason: s.GetUnknownReason(), Exact: s.GetExact(), Age: s.GetAge().AsDuration(),
		Entries: s.GetEntries(), Bytes: s.GetBytes(),
	}
	for _, p := range s.GetPrefixes() {
		sizes.Prefixes = append(sizes.Prefixes, PrefixSize{
			Prefix: p.GetPrefix(), Level: int(p.GetLevel()), Entries: p.GetEntries(), Bytes: p.GetBytes(),
		})
	}
	return sizes
}
