package main

import "testing"

func TestRealTimePriorityIsRecognized(t *testing.T) {
	const fields = " S 1 2 2 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11 12 13 14 15 16 17 18 19 20 21 22 0 0 17 1 "
	for stat, want := range map[string]bool{
		"9 (bench)" + fields + "0 0 0 0":          false,
		"9 (bench)" + fields + "10 2 0 0":         true,
		"9 (a bench) of 1)" + fields + "10 2 0 0": true,
		"9 (bench) S": false,
		"":            false,
	} {
		if got := realTimeStat(stat); got != want {
			t.Errorf("realTimeStat(%q) = %v, want %v", stat, got, want)
		}
	}
}
