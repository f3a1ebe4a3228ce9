// Package client is the Go library of the key-value store.
//
// A [Client] calls a gateway, such as the one that kv serve runs, or a kvservice. It is safe for concurrent use. Create one
// with [New] and keep it for the life of the program:
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
// A value is a sequence of bytes and is returned unchanged. Every write gives its entry a new [Entry.ETag]. A write can
// depend on the current version: [IfMatch] writes only if the entry has not changed since it was read, [IfAbsent] only
// if the key does not exist, and [IfExists] only if it does. The service checks the condition and writes in one atomic
// step. [Client.Update] repeats such a write until it succeeds. An entry exists until it is deleted, or for as long as its [TTL].
//
// [JSON] returns a view of the store in which values are JSON of a Go type.
//
// # Many keys
//
// [Client.All] iterates over all keys with a prefix, in order, and fetches them page by page; [Client.List] has options for
// ranges, order and levels of a hierarchy. [Client.GetMany] and [Client.SetMany] take any number of keys. [Client.Batch]
// sends up to 1,000 operations in one request, and [Client.AtomicBatch] applies all of them or none.
//
// Calls need not be combined by hand for speed. Concurrent calls share requests automatically, which multiplies
// throughput, and each keeps its own context and error. [WithoutBatching] turns this off.
//
// # Watches
//
// [Client.Watch] reports every change below a prefix exactly once and in order, and resumes by itself after an
// interruption. [FromSnapshot] and [StartOver] keep a copy of a part of the store up to date. To continue after a restart
// of the program, store the [Event.ResumeToken] of the last event and pass it to [ResumeFrom].
//
// # Errors
//
// Every failure is an [*Error]. Use errors.Is with the errors of this package, such as [ErrNotFound], to tell failures
// apart. A call whose context ended also fails with [context.Canceled] or [context.DeadlineExceeded]; it may or may not
// have been carried out.
//
// Reads that fail because the service cannot be reached or the connection breaks are retried with increasing waits, and
// so are writes that were certainly not sent. Other writes are not; [WithoutRetries] has the details. Give each call a
// context with a deadline: without one, a call to a service that is connected but silent waits indefinitely.
//
// # Logs, traces and metrics
//
// A client logs and records nothing, unless [WithLogger], [WithTracing] or [WithMetrics] is given.
//
// # Caches and locks
//
// Package cache keeps the entries of a prefix in the program, up to date. Package lock gives one program at a time the right to
// do something, and package election makes one of many programs the leader.
//
// # Tests
//
// Package clienttest runs the whole store in the process of a test, on a clock that the test moves.
//
// # Transport
//
// Calls use the Connect protocol with protobuf messages: over HTTP/2, or over HTTP/1.1 if the peer speaks nothing else, and
// with TLS to https:// URLs. [WithTLS] sets certificates and [WithHTTPClient] everything else. An API key sent
// to an http:// URL can be read by anyone on the network path.
package client
