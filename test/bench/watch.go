package main

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/protowire"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/test/bench/dataset"
	"key-value/test/bench/fanout"
	"key-value/test/bench/load"
)

// etcdWatches is the largest number of watches measured with etcd. etcd's own clients share a stream; here each watch
// has one.
const etcdWatches = 1000

const watched = "watched"

// watches measures how fast changes of one key reach its watches.
func (b *bench) watches(ctx context.Context) ([]outcome, error) {
	var comparisons []comparison
	for _, n := range b.watchers {
		c := comparison{scenario: watching, setting: count(n, "watcher"), unit: "events/s"}
		c.contenders = append(c.contenders, b.watchContender(kvservice, ourWatch(n), ourWrite()))
		if n <= etcdWatches {
			c.contenders = append(c.contenders, b.watchContender(etcd, etcdWatch(n), etcdWrite()))
		}
		comparisons = append(comparisons, c)
	}
	return b.compare(ctx, comparisons)
}

func (b *bench) watchContender(server string, test fanout.Test, write load.Call) contender {
	return contender{
		name: server,
		prepare: func(ctx context.Context) error {
			addr, err := b.servers.addr(ctx, server)
			if err != nil {
				return err
			}
			return write.Check(ctx, addr)
		},
		measure: func(ctx context.Context, _ int, d time.Duration) (sample, error) {
			addr, err := b.servers.addr(ctx, server)
			if err != nil {
				return sample{}, err
			}
			m := b.servers.meter(server)
			client := load.NewClient()
			defer client.CloseIdleConnections()
			test.Addr = addr
			test.Write = func(ctx context.Context) error { return write.Do(ctx, client, addr) }
			test.Begin = m.begin
			return m.end(fanout.Measure(ctx, test, d))
		},
	}
}

func ourWrite() load.Call {
	return load.Call{Procedure: keyvaluev1connect.KeyValueServiceSetProcedure, Message: marshal(&keyvaluev1.SetRequest{
		Key: watched, Content: &keyvaluev1.SetRequest_Value{Value: dataset.Value(0)},
	})}
}

func ourWatch(n int) fanout.Test {
	return fanout.Test{
		Watches:   n,
		Procedure: keyvaluev1connect.KeyValueServiceWatchProcedure,
		Request:   marshal(&keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: watched}}),
		Events:    ourEvents,
	}
}

func etcdWrite() load.Call {
	return load.Call{
		Procedure: "/etcdserverpb.KV/Put",
		Message:   marshal(&pb.PutRequest{Key: []byte(watched), Value: []byte(dataset.Value(0))}),
	}
}

func etcdWatch(n int) fanout.Test {
	return fanout.Test{
		Watches:   n,
		Procedure: "/etcdserverpb.Watch/Watch",
		Bidi:      true,
		Request: marshal(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{Key: []byte(watched)},
		}}),
		Events: etcdEvents,
	}
}

// ourEvents parses a WatchResponse: each is one event, and a SYNC says that the watch has started.
func ourEvents(message []byte) (int, bool) {
	const event, eventType = 1, 1
	isSync := false
	fields(message, func(number protowire.Number, value []byte) {
		if number != event {
			return
		}
		fields(value, func(number protowire.Number, value []byte) {
			kind, _ := protowire.ConsumeVarint(value)
			isSync = isSync || number == eventType && kind == uint64(keyvaluev1.Event_TYPE_SYNC)
		})
	})
	if isSync {
		return 0, true
	}
	return 1, false
}

// etcdEvents parses a WatchResponse of etcd, which has any number of events, or says that the watch was created.
func etcdEvents(message []byte) (n int, created bool) {
	const createdField, eventField = 3, 11
	fields(message, func(number protowire.Number, _ []byte) {
		switch number {
		case createdField:
			created = true
		case eventField:
			n++
		}
	})
	return n, created
}

// fields calls each for the fields of an encoded message. It does not decode further, because the watches share the
// machine with the server.
func fields(message []byte, each func(number protowire.Number, value []byte)) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return
		}
		value := message[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		each(number, value)
		message = message[n:]
	}
}
