package memory

import "sync/atomic"

// counter counts what readers do. It is in parts, each in a cache line of its own, so that readers of
// different keys do not wait for each other's processors.
type counter [16]struct {
	n atomic.Int64
	_ [56]byte
}

// add counts one more. Any part may be named.
func (c *counter) add(part uint8) { c[int(part)%len(c)].n.Add(1) }

func (c *counter) sum() int64 {
	total := int64(0)
	for i := range c {
		total += c[i].n.Load()
	}
	return total
}
