// Package client is the Go library of the key-value store.
//
// A [Client] speaks to a gateway, such as one that kv serve runs, or to a kvservice. It is safe for concurrent use;
// make one with [New] and keep it:
//
//	kv, err := client.New("http://127.0.0.1:8888", client.WithAPIKey(os.Getenv("KV_API_KEY")))
//	if err != nil {
//		return err
//	}
//	defer kv.Close()
//	entry, err := kv.Get(ctx, "greeting")
//
// # Values, versions and conditions
//
// A value is bytes, and comes back byte for byte. Each write gives its entry a new [Entry.ETag], and a write can be
// tied to one: [IfMatch] writes only what was not changed since it was read, [IfAbsent] only what is not there, and
// [IfExists] only what is. The condition is checked in one step with the write. An entry lives for ever, or as long as
// its [TTL].
//
// # Many at once
//
// [Client.List] goes through all keys with a prefix, in order, a page at a time. [Client.Batch] sends up to 1,000
// operations in one request, and [Client.AtomicBatch] makes them all or none.
//
// There is no need to gather calls by hand for speed. Those that are made while others are under way share requests by
// themselves, which is many times faster, and each keeps its own context and error; see package batching, and
// [WithoutBatching].
//
// # Following changes
//
// [Client.Watch] tells each change under a prefix once and in order, and resumes by itself when it was cut. A copy of a
// part of the store is kept with [FromSnapshot] and [StartOver]. To go on after a restart of the program, keep
// [Event.ResumeToken] of the last event and give it to [ResumeFrom].
//
// # Errors
//
// Every failure is an [*Error], and errors.Is tells with the sentinels of this package, such as [ErrNotFound], which it
// was. A call whose context is done also fails with what errors.Is knows as [context.Canceled] or
// [context.DeadlineExceeded]; whether it was carried out is then not known.
//
// Reads that fail because the service cannot be reached or breaks off are made again, with growing pauses, and so are
// writes that certainly did not get there. No other write is; [WithoutRetries] says it precisely. Give each call a
// context with a deadline: without one, a call waits for a service that is silent for as long as that is connected.
//
// # Transport
//
// Calls travel as Connect with protobuf over HTTP/2: without TLS to http://…, and with it to https://…, where HTTP/1.1
// is good enough too. [WithTLS] brings certificates of one's own, and [WithHTTPClient] everything else. An API key that
// is shown to http://… can be read by whoever can listen in between.
package client
