package keystats

import (
	"cmp"
	"slices"
	"strings"
)

// sketch estimates the weights of the heaviest keys of a stream with a fixed number of counters, by the algorithm
// Space-Saving: a key without a counter takes that of the lightest key, and inherits its weight as its error. A key whose
// share of the whole weight is more than one in the number of counters always has one.
type sketch struct {
	counters map[string]*counter
	lightest []*counter // a heap: the weight of element i is at most those of 2i+1 and 2i+2
	size     int        // the maximum number of counters
}

// counter is the weight of a key, which is too high by at most error.
type counter struct {
	key    string
	weight float64
	error  float64
	place  int // in the heap
}

func newSketch(size int) *sketch {
	return &sketch{counters: make(map[string]*counter, size), lightest: make([]*counter, 0, size), size: size}
}

// add adds weight to that of key. It copies a key that it keeps.
func (s *sketch) add(key string, weight float64) {
	c := s.counters[key]
	switch {
	case c != nil:
	case len(s.lightest) < s.size:
		c = &counter{key: strings.Clone(key), place: len(s.lightest)}
		s.counters[c.key] = c
		s.lightest = append(s.lightest, c)
		s.rise(c)
	default:
		c = s.lightest[0]
		delete(s.counters, c.key)
		c.key, c.error = strings.Clone(key), c.weight
		s.counters[c.key] = c
	}
	c.weight += weight
	s.sink(c)
}

// rise moves a new counter, which weighs nothing, to the top of the heap.
func (s *sketch) rise(c *counter) {
	for c.place > 0 {
		s.swap(c, s.lightest[(c.place-1)/2])
	}
}

// sink moves c, which became heavier, to its place in the heap.
func (s *sketch) sink(c *counter) {
	for {
		child := 2*c.place + 1
		if child >= len(s.lightest) {
			return
		}
		if right := child + 1; right < len(s.lightest) && s.lightest[right].weight < s.lightest[child].weight {
			child = right
		}
		if c.weight <= s.lightest[child].weight {
			return
		}
		s.swap(c, s.lightest[child])
	}
}

func (s *sketch) swap(a, b *counter) {
	a.place, b.place = b.place, a.place
	s.lightest[a.place], s.lightest[b.place] = a, b
}

// scale multiplies all weights by factor.
func (s *sketch) scale(factor float64) {
	for _, c := range s.lightest {
		c.weight *= factor
		c.error *= factor
	}
}

// weights returns the keys that weigh at least atLeast for certain, in no order.
func (s *sketch) weights(atLeast float64) []weight {
	found := make([]weight, 0, len(s.lightest))
	for _, c := range s.lightest {
		if certain := c.weight - c.error; certain >= atLeast {
			found = append(found, weight{c.key, certain})
		}
	}
	return found
}

// weight is what a key weighs at least.
type weight struct {
	key     string
	certain float64
}

// heaviest returns the first limit of found in order, the heaviest first.
func heaviest(found []weight, limit int) []weight {
	slices.SortFunc(found, func(a, b weight) int {
		return cmp.Or(cmp.Compare(b.certain, a.certain), strings.Compare(a.key, b.key))
	})
	return found[:min(limit, len(found))]
}
