package memnet_test

import (
	"errors"
	"net"
	"testing"

	"key-value/internal/testkit/memnet"
)

func TestAClosedListenerRefusesConnections(t *testing.T) {
	l := memnet.New()
	for range 2 { // a server that is closed closes it too
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial = %v, want %v", err, net.ErrClosed)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want %v", err, net.ErrClosed)
	}
}
