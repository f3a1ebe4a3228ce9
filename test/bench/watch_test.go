package main

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

func event(kind keyvaluev1.Event_Type) []byte {
	return marshal(&keyvaluev1.WatchResponse{
		Event: &keyvaluev1.Event{Type: kind, Entry: &keyvaluev1.Entry{Key: "k"}}, ResumeToken: "token",
	})
}

func TestEventsAreCounted(t *testing.T) {
	twoEvents := &pb.WatchResponse{
		Header: &pb.ResponseHeader{Revision: 7}, WatchId: 3, Events: []*mvccpb.Event{{Kv: &mvccpb.KeyValue{Key: []byte("k")}}, {}},
	}
	for name, c := range map[string]struct {
		read    func([]byte) (int, bool)
		message []byte
		events  int
		ready   bool
	}{
		"ours: a change":    {ourEvents, event(keyvaluev1.Event_TYPE_PUT), 1, false},
		"ours: started":     {ourEvents, event(keyvaluev1.Event_TYPE_SYNC), 0, true},
		"etcd: two changes": {etcdEvents, marshal(twoEvents), 2, false},
		"etcd: created":     {etcdEvents, marshal(&pb.WatchResponse{WatchId: 1, Created: true}), 0, true},
		"etcd: progress":    {etcdEvents, marshal(&pb.WatchResponse{Header: &pb.ResponseHeader{Revision: 1}}), 0, false},
		"etcd: malformed":   {etcdEvents, []byte{0xff}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if n, ready := c.read(c.message); n != c.events || ready != c.ready {
				t.Errorf("read %d events, ready %v; want %d, %v", n, ready, c.events, c.ready)
			}
		})
	}
}
