package callctx_test

import (
	"context"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/callctx"
)

type key struct{}

func TestAClientFindsItsMetadataInTheContext(t *testing.T) {
	parent, outer := connect.NewClientContext(context.WithValue(t.Context(), key{}, "v"))
	ctx := callctx.WithTimeout(parent, time.Minute)
	defer ctx.Cancel()
	info, ok := connect.CallInfoForClientContext(ctx)
	if !ok || info == outer {
		t.Errorf("the metadata is %p, %v, want some of its own", info, ok)
	}
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	if again, _ := connect.CallInfoForClientContext(derived); again != info {
		t.Error("a context that is derived from it has other metadata")
	}
	if ctx.Value(key{}) != "v" {
		t.Error("the values of its parent are missing")
	}
	if _, ok := connect.CallInfoForServerContext(ctx); ok {
		t.Error("it has metadata of a server")
	}
}
