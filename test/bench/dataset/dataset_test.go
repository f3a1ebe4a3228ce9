package dataset_test

import (
	"slices"
	"testing"

	"key-value/test/bench/dataset"
)

func TestSamplesAreTheSameAtEveryCall(t *testing.T) {
	for _, n := range []int{1, 999, 1000, 50_000} {
		sample := dataset.Sample(1000, n)
		if !slices.Equal(sample, dataset.Sample(1000, n)) {
			t.Errorf("two samples of %d entries differ", n)
		}
		if slices.Min(sample) < 0 || slices.Max(sample) >= n {
			t.Errorf("a sample of %d entries contains others", n)
		}
	}
}

func TestASampleThatCanHoldAllEntriesDoes(t *testing.T) {
	sample := slices.Sorted(slices.Values(dataset.Sample(1000, 500)))
	for i, entry := range sample {
		if entry != i || len(sample) != 500 {
			t.Fatalf("the sample is %v, want 0 to 499", sample)
		}
	}
}

func TestKeysAndValuesHaveTheirLengths(t *testing.T) {
	for _, i := range []int{0, 7, 9_999_999} {
		if key, value := dataset.Key(i), dataset.Value(i); len(key) != 16 || len(value) != dataset.ValueBytes {
			t.Errorf("entry %d is %q, %q", i, key, value)
		}
	}
}
