// Package dataset holds the entries that every server is filled with, so that all of them are asked for the
// same.
package dataset

import (
	"fmt"
	"math/rand/v2"
)

const (
	// Entries is how many entries a server holds unless a scenario says otherwise.
	Entries = 100_000
	// ValueBytes is how long each value is.
	ValueBytes = 64
)

// Key returns the key of entry i. It has 16 bytes and looks like those that redis-benchmark makes.
func Key(i int) string { return fmt.Sprintf("key:%012d", i) }

// Value returns the value of entry i.
func Value(i int) string { return fmt.Sprintf("%0*d", ValueBytes, i) }

// Sample returns count entries out of n, in an order that is the same at every call. While n is no more than
// count, all of them are in it once.
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
