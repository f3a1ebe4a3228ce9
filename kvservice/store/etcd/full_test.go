package etcd_test

import (
	"errors"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"key-value/internal/testkit/etcdcluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
)

// A full etcd rejects a transaction that writes, and all that was gathered in it.
func TestReadsOfAFullStoreAreAnsweredBesideWrites(t *testing.T) {
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	e, member := open(t, members, etcd.Options{}), members.Members()[0]
	set := store.Operation{Kind: store.Set, Key: "a", Value: []byte("1")}
	get := store.Operation{Kind: store.Get, Key: "a"}
	if _, err := e.Do(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	alarm := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, Alarm: pb.AlarmType_NOSPACE}
	if _, err := pb.NewMaintenanceClient(member.Client().ActiveConnection()).Alarm(t.Context(), alarm); err != nil {
		t.Fatal(err)
	}
	results, err := e.Batch(t.Context(), []store.Operation{get, set, get}, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, store.ErrFull, nil} {
		if !errors.Is(results[i].Err, want) || want == nil && string(results[i].Entry.Value) != "1" {
			t.Errorf("operation %d of a batch = %q, %v; want %v", i, results[i].Entry.Value, results[i].Err, want)
		}
	}
	if _, err := e.Batch(t.Context(), []store.Operation{get, set}, true); !errors.Is(err, store.ErrFull) {
		t.Errorf("an atomic batch with a write = %v, want ErrFull", err)
	}
	if _, err := member.Client().AlarmDisarm(t.Context(), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Do(t.Context(), set); err != nil {
		t.Errorf("a write after the alarm = %v", err)
	}
}
