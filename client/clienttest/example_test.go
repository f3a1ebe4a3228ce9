package clienttest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/clienttest"
)

// Sessions is a part of a program that uses the store.
type Sessions struct{ kv *client.Client }

// Begin begins a session of an hour.
func (s Sessions) Begin(ctx context.Context, user string) error {
	_, _, err := s.kv.Set(ctx, "session/"+user, nil, client.TTL(time.Hour))
	return err
}

// Has reports whether user has a session.
func (s Sessions) Has(ctx context.Context, user string) (bool, error) {
	_, err := s.kv.Get(ctx, "session/"+user)
	if errors.Is(err, client.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func TestASessionLastsAnHour(t *testing.T) {
	s := clienttest.New(t)
	sessions := Sessions{s.Client}
	if err := sessions.Begin(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	s.Advance(30 * time.Minute)
	if ok, err := sessions.Has(t.Context(), "anna"); !ok || err != nil {
		t.Errorf("after half an hour, Has = %v, %v; want true", ok, err)
	}
	s.Advance(30 * time.Minute)
	if ok, err := sessions.Has(t.Context(), "anna"); ok || err != nil {
		t.Errorf("after an hour, Has = %v, %v; want false", ok, err)
	}
}
