// Package callctx has contexts for one unary call of a client. They hold the deadline and the metadata of the call in one
// allocation.
package callctx

import (
	"context"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/lazyctx"
)

// Context is the context of a call. Make it with WithTimeout, or embed it and call InitTimeout. It must be canceled, and
// must not be used for two calls at a time.
type Context struct {
	lazyctx.Context

	info connect.CallInfo
}

// WithTimeout returns a context that is done when parent is, when Cancel is called, or after timeout.
func WithTimeout(parent context.Context, timeout time.Duration) *Context {
	c := &Context{}
	c.InitTimeout(parent, timeout)
	return c
}

// Value implements [context.Context]. A client finds its metadata here, and allocates none.
func (c *Context) Value(key any) any {
	if key == infoKey {
		return &c.info
	}
	return c.Context.Value(key)
}

// infoKey is the key for which [connect.CallInfoForClientContext] asks a context.
var infoKey = func() any {
	var asked asked
	connect.CallInfoForClientContext(&asked)
	return asked.key
}()

// asked is a context that knows the last key it was asked for.
type asked struct {
	context.Context
	key any
}

func (a *asked) Value(key any) any {
	a.key = key
	return nil
}
