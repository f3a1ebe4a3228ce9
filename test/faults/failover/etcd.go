package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"key-value/client"
	"key-value/internal/testkit/etcdcluster"
)

// startEtcd starts three members.
func startEtcd(ctx context.Context, s *stage) (err error) {
	if _, err := etcdcluster.Program(ctx, "etcdutl"); err != nil { // to restore a snapshot, which should not wait for it
		return err
	}
	s.etcd, err = etcdcluster.Start(ctx, etcdcluster.Config{Members: 3, Cuttable: true})
	return err
}

// killLeader kills the leader, and starts it again after the others have replaced it and all keys were written.
func killLeader(ctx context.Context, r *run, _ int, struck func(from, to instant)) error {
	leader, err := r.stage.etcd.Settled(ctx)
	if err != nil {
		return err
	}
	from := r.now()
	if err := leader.Kill(); err != nil {
		return err
	}
	struck(from, r.now())
	return r.without(ctx, func() error { return leader.Restart(ctx) })
}

// stopLeader stops the leader until it is replaced, which it does not know when it continues.
func stopLeader(ctx context.Context, r *run, _ int, struck func(from, to instant)) error {
	leader, err := r.stage.etcd.Settled(ctx)
	if err != nil {
		return err
	}
	from := r.now()
	if err := leader.Pause(); err != nil {
		return err
	}
	struck(from, r.now())
	return r.without(ctx, leader.Continue)
}

// cutOffLeader cuts the leader off from the other members. Clients still reach it.
func cutOffLeader(ctx context.Context, r *run, _ int, struck func(from, to instant)) error {
	leader, err := r.stage.etcd.Settled(ctx)
	if err != nil {
		return err
	}
	from := r.now()
	leader.CutOff()
	struck(from, r.now())
	return r.without(ctx, func() error { leader.Rejoin(); return nil })
}

// without waits until the other members have replaced one and all keys were written, runs back, and waits until all
// members agree.
func (r *run) without(ctx context.Context, back func() error) error {
	if _, err := r.stage.etcd.Settled(ctx); err != nil {
		return err
	}
	if _, err := r.recovered(ctx); err != nil {
		return err
	}
	if err := back(); err != nil {
		return err
	}
	_, err := r.stage.etcd.Settled(ctx)
	return err
}

// killMost kills two members. The third may not acknowledge anything.
func killMost(ctx context.Context, r *run, turn int, struck func(from, to instant)) error {
	members := r.stage.etcd.Members()
	gone := []*etcdcluster.Member{members[turn%3], members[(turn+1)%3]}
	from := r.now()
	if err := errors.Join(gone[0].Kill(), gone[1].Kill()); err != nil {
		return err
	}
	struck(from, r.now())
	for i := range r.stage.clients {
		alone, cancel := context.WithTimeout(ctx, callPatience)
		if err := r.set(alone, r.stage.clients[i], "f/alone"); err == nil {
			r.violate(errors.New("a write was acknowledged while two of three members were gone"))
		}
		if _, err := r.stage.clients[i].Get(alone, "f/alone"); !isUnanswered(err) {
			r.violate(fmt.Errorf("a read while two of three members were gone = %w, want no answer", err))
		}
		cancel()
	}
	if err := errors.Join(gone[0].Relaunch(), gone[1].Relaunch()); err != nil { // neither is ready alone
		return err
	}
	_, err := r.stage.etcd.Settled(ctx)
	return err
}

// fillEtcd raises the alarm that etcd raises when its quota is reached. Reads must still work.
func fillEtcd(ctx context.Context, r *run, _ int, struck func(from, to instant)) error {
	leader, err := r.stage.etcd.Settled(ctx)
	if err != nil {
		return err
	}
	if err := r.eachFilled(ctx, r.set, nil); err != nil {
		return err
	}
	status, err := leader.Client().Status(ctx, leader.Addr())
	if err != nil {
		return err
	}
	alarm := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: pb.AlarmType_NOSPACE}
	from := r.now()
	if _, err := pb.NewMaintenanceClient(leader.Client().ActiveConnection()).Alarm(ctx, alarm); err != nil {
		return err
	}
	struck(from, r.now())
	r.violate(errors.Join(
		r.eachFilled(ctx, r.set, client.ErrFull),
		r.eachFilled(ctx, func(ctx context.Context, c *client.Client, key string) error {
			_, err := c.Get(ctx, key)
			return err
		}, nil)))
	_, err = leader.Client().AlarmDisarm(ctx, &clientv3.AlarmMember{})
	return err
}

// restoreEtcd restores all members from a snapshot, so that all writes since then are lost.
func restoreEtcd(ctx context.Context, r *run, _ int, struck func(from, to instant)) error {
	r.restoring.Lock()
	defer r.restoring.Unlock()
	leader, err := r.stage.etcd.Settled(ctx)
	if err != nil {
		return err
	}
	since, file := r.now(), filepath.Join(r.stage.dir, "snapshot")
	if err := save(ctx, leader, file); err != nil {
		return err
	}
	pause(ctx, 200*time.Millisecond) // for writes that are lost
	from := r.now()
	for _, m := range r.stage.etcd.Members() {
		if err := m.Kill(); err != nil {
			return err
		}
	}
	struck(from, r.now())
	r.since(since)
	if err := r.stage.etcd.Restore(ctx, file); err != nil {
		return err
	}
	_, err = r.stage.etcd.Settled(ctx)
	return err
}

// save writes a snapshot of m to a file.
func save(ctx context.Context, m *etcdcluster.Member, file string) error {
	content, err := m.Client().Snapshot(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Close())
}
