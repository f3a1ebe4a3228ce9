package etcd

import (
	"context"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"key-value/kvservice/store"
)

// stream reads transactions from etcd, in order. It does not use the watches of etcd's client, which go on after a break
// without a look at whether etcd still has the same history, and hold any number of events that are not read.
type stream struct {
	names  names
	recv   func() (*pb.WatchResponse, error)
	events []*mvccpb.Event // received, and not yet returned
}

// transaction is the changes of one transaction.
type transaction struct {
	end     position // after it
	changes []change
}

// open begins a stream of the transactions from a revision on. It ends with ctx.
func (s *session) open(ctx context.Context, n names, from int64) (*stream, error) {
	w, err := s.watch.Watch(clientv3.WithRequireLeader(ctx))
	if err != nil {
		return nil, err
	}
	err = w.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key: []byte(n.entries), RangeEnd: end(n.journals), StartRevision: from,
	}}})
	return &stream{names: n, recv: w.Recv}, err
}

// next waits for the next transaction. It fails with [store.ErrResumeTooOld] if it is no longer kept.
func (s *stream) next() (transaction, error) {
	for {
		for len(s.events) > 0 {
			revision, n := s.events[0].Kv.ModRevision, 1
			for n < len(s.events) && s.events[n].Kv.ModRevision == revision {
				n++
			}
			events := s.events[:n]
			s.events = s.events[n:]
			if t, ok, err := s.names.transaction(events); ok || err != nil {
				return t, err
			}
		}
		answer, err := s.recv()
		switch {
		case err != nil:
			return transaction{}, err
		case answer.CompactRevision != 0:
			return transaction{}, store.ErrResumeTooOld
		case answer.Canceled:
			return transaction{}, errors.New("etcd ended the watch: " + answer.CancelReason)
		}
		s.events = answer.Events
	}
}

// transaction returns the transaction that the events of one revision are. It returns false if an engine did not make it.
func (n names) transaction(events []*mvccpb.Event) (transaction, bool, error) {
	var t transaction
	var j journal
	entries := map[string][]byte{}
	for _, event := range events {
		name := string(event.Kv.Key)
		if len(name) >= len(n.entries) && name[:len(n.entries)] == n.entries {
			entries[name[len(n.entries):]] = event.Kv.Value
			continue
		}
		run, ok := uint64(0), false
		if len(name) >= len(n.journals) && name[:len(n.journals)] == n.journals {
			run, ok = n.run(event.Kv.Key)
		}
		if !ok || event.Type != mvccpb.PUT {
			continue // an engine has taken over the totals of another one
		}
		var err error
		if j, err = unpackJournal(event.Kv.Value); err != nil {
			return t, false, err
		}
		t.end = position{run, event.Kv.ModRevision, len(j.changes)}
	}
	if t.end.run == 0 {
		return t, false, nil
	}
	t.changes = j.changes
	for i := range t.changes {
		c := &t.changes[i]
		c.position = position{t.end.run, t.end.revision, i + 1}
		if !c.final {
			continue
		}
		var err error
		if c.entry, err = unpack(entries[c.key]); err != nil {
			return t, false, fmt.Errorf("entry of %q: %w", c.key, err)
		}
	}
	return t, true, nil
}

// memory returns about how much memory c takes, in bytes.
func (c change) memory() int64 { return int64(len(c.key)+len(c.entry.value)) + entryOverhead }
