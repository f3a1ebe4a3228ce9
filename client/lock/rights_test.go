package lock_test

import (
	"testing"

	"key-value/client"
	"key-value/client/clienttest"
	"key-value/client/lock"
)

func TestALockNeedsTheRightToReadAndWriteItsEntries(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	team := s.Dial(client.WithAPIKey(s.Key(client.Grant{Prefix: "team/", Ops: []string{"read", "write"}})))
	_, err := newLock(t, team).Lock(bounded(t))
	wantError(t, "Lock below another prefix", err, client.ErrPermissionDenied)
	_, err = newLock(t, team).TryLock(bounded(t))
	wantError(t, "TryLock below another prefix", err, client.ErrPermissionDenied)
	held := mustLock(t, newLock(t, team, lock.Prefix("team/")))
	defer mustUnlock(t, held)

	reader := s.Dial(client.WithAPIKey(s.Key(client.Grant{Prefix: "team/", Ops: []string{"read"}})))
	l := newLock(t, reader, lock.Prefix("team/"))
	if holder, ok, err := l.Holder(bounded(t)); holder.Fence != held.Fence() || !ok || err != nil {
		t.Errorf("Holder with the right to read = %v, %t, %v", holder, ok, err)
	}
	_, err = l.Lock(bounded(t))
	wantError(t, "Lock with the right to read", err, client.ErrPermissionDenied)
}
