package main

import (
	"time"

	"key-value/test/hostile"
)

const (
	// maxP99 bounds the well-behaved caller's p99. It leaves room for two cores that the server shares with everything
	// else.
	maxP99 = 250 * time.Millisecond
	// maxLive bounds /livez on a new connection.
	maxLive = time.Second
)

// attack is a kind of hostile peers with the bounds that the server keeps meanwhile.
type attack struct {
	hostile.Kind
	args []string // of the server
	tls  bool
	mib  float64 // the most resident memory, in MiB
	// holds says that the store is known to keep the bounds. The continuous integration runs only these.
	holds bool
}

// attacks returns every attack. In each, the store holds 8 MiB of values.
func attacks() []attack {
	// The default follows from the memory of the machine.
	inFlight := []string{"--max-in-flight", "64MiB"}
	all := []attack{
		// Without a key, or with a wrong one.
		{Kind: hostile.WrongKeys("h2c streams, wrong key", false), mib: 200, holds: true},
		{Kind: hostile.WrongKeys("h2c streams, wrong key, TLS", true), tls: true, mib: 200, holds: true},
		{Kind: hostile.Health(), mib: 200, holds: true},
		{Kind: hostile.RapidResetGRPC(), mib: 200, holds: true},
		{Kind: hostile.OpenBodies(), mib: 200, holds: true},
		{Kind: hostile.OpenStreams(), mib: 200, holds: true},
		{Kind: hostile.SilentHandshakes(), tls: true, mib: 200, holds: true},
		{Kind: hostile.FullTable(), args: []string{"--max-connections", "50"}, mib: 100, holds: true},

		// With a key.
		{Kind: hostile.Trickles(), args: inFlight, mib: 200, holds: true},
		{Kind: hostile.UnfinishedMessages(), args: inFlight, mib: 200, holds: true},
		{Kind: hostile.StalledWatches(), args: inFlight, mib: 200, holds: true},
		{Kind: hostile.ManyStalledWatches(), args: []string{"--max-in-flight", "64MiB", "--max-watches", "5000"}, mib: 250, holds: true},
		{Kind: hostile.IdleConnections(), args: []string{"--max-connections", "16384"}, mib: 250, holds: true},
		{Kind: hostile.UnfinishedBatches(), args: inFlight, mib: 200, holds: true},
		{Kind: hostile.StalledLists(), args: inFlight, mib: 200, holds: true},
	}
	for _, k := range hostile.Kinds() {
		all = append(all, attack{Kind: k, mib: 200, holds: true})
	}
	return all
}
