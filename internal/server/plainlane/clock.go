package plainlane

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock formats the time for Date headers, once a second.
type clock struct{ last atomic.Pointer[stamp] }

type stamp struct {
	second int64 // of Unix time
	text   string
}

// date returns the value of a Date header.
func (c *clock) date() string {
	now := time.Now()
	if last := c.last.Load(); last != nil && last.second == now.Unix() {
		return last.text
	}
	s := &stamp{now.Unix(), now.UTC().Format(http.TimeFormat)}
	c.last.Store(s)
	return s.text
}
