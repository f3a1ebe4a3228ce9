package client_test

import (
	"errors"
	"testing"

	"key-value/client"
)

func TestAKVServiceHasNoCallers(t *testing.T) {
	t.Parallel()
	caller, err := start(t).Caller(t.Context())
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Reason != "UNIMPLEMENTED" {
		t.Errorf("Caller of a kvservice = %+v, %v, want UNIMPLEMENTED", caller, err)
	}
}
