package plainlane

import (
	"sync/atomic"

	"key-value/internal/lazyctx"
)

// call is the context of a request. It ends with the request, or when its caller has gone. Whether the caller has gone is
// found out only for requests that wait for something: those that ask when the context is done.
type call struct {
	lazyctx.Context

	conn  *conn
	asked atomic.Bool // whether Done was called
	ended atomic.Bool
}

func newCall(c *conn) *call {
	call := &call{conn: c}
	call.Init(c.ctx)
	return call
}

// Done implements [context.Context]. It sends the responses to earlier requests that came together with this one, which
// may now take a while.
func (c *call) Done() <-chan struct{} {
	if !c.asked.Load() && !c.asked.Swap(true) {
		c.conn.lane.watcher.add(c)
		_ = c.conn.out.flush() // an error ends the connection after this request
	}
	return c.Context.Done()
}

// end ends the request.
func (c *call) end() {
	c.ended.Store(true)
	c.Cancel()
	if c.asked.Load() {
		c.conn.lane.watcher.remove(c)
	}
}
