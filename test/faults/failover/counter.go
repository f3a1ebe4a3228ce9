package main

import (
	"fmt"
	"time"
)

// counter is what one writer knows of a number that only it increments.
type counter struct {
	key     string
	sums    []sum // values that it had, as far as known, ascending
	unknown int   // increments without an answer that are not in a sum yet
}

type sum struct {
	value int64
	etag  string // empty: of an increment without an answer

	sent, acked time.Duration
}

func (c *counter) last() int64 {
	if len(c.sums) == 0 {
		return 0
	}
	return c.sums[len(c.sums)-1].value
}

// answer records an acknowledged increment, and returns the ones that are lost.
func (c *counter) answer(s sum) ([]loss, error) {
	losses, err := c.find(s.value - 1)
	c.sums = append(c.sums, s)
	return losses, err
}

// find records the counter's value, and returns the increments that are lost.
func (c *counter) find(value int64) (losses []loss, err error) {
	rest := int(value - c.last())
	for c.last() > value {
		s := c.sums[len(c.sums)-1]
		c.sums = c.sums[:len(c.sums)-1]
		if s.etag != "" {
			losses = append(losses, loss{c.key, s.etag, int(s.value), s.sent, s.acked})
		}
	}
	if rest > c.unknown {
		err = fmt.Errorf("%s has %d, but at most %d was added", c.key, value, c.last()+int64(c.unknown))
	}
	c.unknown = max(0, c.unknown-max(0, rest))
	if value > c.last() {
		c.sums = append(c.sums, sum{value: value}) // by increments without an answer
	}
	return losses, err
}
