package keystats

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

const (
	// sizesAge is how old sizes may be.
	sizesAge = 10 * time.Second
	// maxEntries is the approximate size of a sample, in entries.
	maxEntries = 200_000
)

// Sampler is an engine that can show its entries without reading them from elsewhere.
type Sampler interface {
	// Sample calls each with about n entries, in byte order of their keys, or with all of them if there are not more. Each
	// stands for the same number of entries, which is weight, and 1 if they are all. A key is valid during the call only.
	Sample(ctx context.Context, n int, each func(key string, bytes, weight int64)) error
}

// Size is what the entries with a prefix take.
type Size struct {
	Prefix  string
	Level   int // the number of delimiters in the prefix that end a level
	Entries int64
	Bytes   int64
}

// Sizes are what the entries take.
type Sizes struct {
	Age      time.Duration
	Exact    bool
	Total    Size
	Prefixes []Size // by level, the largest first
}

// sizes are measured sizes.
type sizes struct {
	at        time.Time // zero: never
	delimiter string
	exact     bool
	total     Size
	levels    [maxLevel][]Size // :: level - 1 → the largest, at most MaxLimit
}

// Sizes returns what the entries of engine take, with up to limit prefixes of each level. A prefix ends with delimiter. It
// measures them at most once every 10 s, unless the delimiter is another one than before.
func (r *Recorder) Sizes(ctx context.Context, engine Sampler, delimiter string, limit int) (Sizes, error) {
	select {
	case r.sizing <- struct{}{}:
		defer func() { <-r.sizing }()
	case <-ctx.Done():
		return Sizes{}, ctx.Err()
	}
	if r.sizes.at.IsZero() || time.Since(r.sizes.at) > sizesAge || r.sizes.delimiter != delimiter {
		m := measurement{sizes: sizes{at: time.Now(), delimiter: delimiter, exact: true}}
		if err := engine.Sample(ctx, maxEntries, m.add); err != nil {
			return Sizes{}, err
		}
		r.sizes = m.finish()
	}
	found := Sizes{Age: time.Since(r.sizes.at), Exact: r.sizes.exact, Total: r.sizes.total}
	for _, level := range r.sizes.levels {
		found.Prefixes = append(found.Prefixes, level[:min(limit, len(level))]...)
	}
	return found, nil
}

// measurement adds up entries. They come in order, so the entries with a prefix come one after the other.
type measurement struct {
	sizes
	path  []byte          // the longest prefix of the latest key
	open  []open          // its prefixes, the shortest first
	floor [maxLevel]int64 // :: level - 1 → what a prefix must exceed to be among the largest
}

// open is a prefix of the latest key.
type open struct {
	end            int // its length
	entries, bytes int64
}

func (m *measurement) add(key string, bytes, weight int64) {
	if weight != 1 {
		m.exact = false
	}
	m.total.Entries += weight
	m.total.Bytes += weight * bytes
	for n := len(m.open); n > 0 && !strings.HasPrefix(key, string(m.path[:m.open[n-1].end])); n-- {
		m.close()
	}
	m.descend(key)
	for i := range m.open {
		m.open[i].entries += weight
		m.open[i].bytes += weight * bytes
	}
}

// descend opens the prefixes that key has beyond those that are open.
func (m *measurement) descend(key string) {
	end := 0
	if n := len(m.open); n > 0 {
		end = m.open[n-1].end
	}
	m.path = m.path[:end]
	for len(m.open) < maxLevel {
		n := strings.Index(key[end:], m.delimiter)
		if n < 0 {
			return
		}
		end += n + len(m.delimiter)
		m.path = append(m.path, key[len(m.path):end]...)
		m.open = append(m.open, open{end: end})
	}
}

// close ends the longest open prefix, and keeps it if it is among the largest of its level.
func (m *measurement) close() {
	level := len(m.open)
	last := m.open[level-1]
	m.open = m.open[:level-1]
	if last.bytes <= m.floor[level-1] {
		return
	}
	kept := append(m.levels[level-1], Size{string(m.path[:last.end]), level, last.entries, last.bytes})
	if len(kept) == 8*MaxLimit {
		kept = largest(kept)
		m.floor[level-1] = kept[MaxLimit-1].Bytes
	}
	m.levels[level-1] = kept
}

// largest returns the largest of sizes, in order.
func largest(sizes []Size) []Size {
	slices.SortFunc(sizes, func(a, b Size) int {
		if order := cmp.Compare(b.Bytes, a.Bytes); order != 0 {
			return order
		}
		return strings.Compare(a.Prefix, b.Prefix)
	})
	return sizes[:min(MaxLimit, len(sizes))]
}

// finish returns the sizes once all entries were added.
func (m *measurement) finish() sizes {
	for len(m.open) > 0 {
		m.close()
	}
	for i, level := range m.levels {
		m.levels[i] = largest(level)
	}
	return m.sizes
}
