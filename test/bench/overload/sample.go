package main

import (
	"slices"
	"time"
)

// sample is one figure, measured again and again.
type sample []float64

func (s *sample) add(figure float64) { *s = append(*s, figure) }

// addTime adds a figure that is a time.
func (s *sample) addTime(d time.Duration) { s.add(float64(d)) }

func (s sample) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

// time returns the median of times.
func (s sample) time() time.Duration { return time.Duration(s.median()).Round(10 * time.Microsecond) }
