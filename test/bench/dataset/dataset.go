// Package dataset defines the entries that every server is filled with, so that all receive the same requests.
package dataset

import (
	"fmt"
	"math/rand/v2"
)

const (
	// Entries is how many entries a server holds, unless a scenario says otherwise.
	Entries = 100_000
	// ValueBytes is the length of each value.
	ValueBytes = 64
)

// Key returns the key of entry i. It has 16 bytes and the form of redis-benchmark's keys.
func Key(i int) string { return fmt.Sprintf("key:%012d", i) }

// Value returns the value of entry i.
func Value(i int) string { return fmt.Sprintf("%0*d", ValueBytes, i) }

// Sample returns count of the n entries in random order, the same in every call. If n is at most count, it contains
// each of them at least once.
func Sample(count, n int) []int {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	if n <= count {
		return random.Perm(n)
	}
	picked := make([]int, count)
	for i := range picked {
		picked[i] = random.IntN(n)
	}
	return picked
}
