package rest_test

import (
	"net/http"
	"testing"
	"time"

	"key-value/gateway/rest"
)

func TestPrefer(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name  string
		lines []string
		want  time.Duration
	}{
		{"nothing", nil, 0},
		{"an empty header", []string{""}, 0},
		{"seconds", []string{"wait=30"}, 30 * time.Second},
		{"seconds in quotes", []string{`wait="30"`}, 30 * time.Second},
		{"spaces where nobody should put any", []string{"wait = 30 "}, 30 * time.Second},
		{"any case", []string{"Wait=30"}, 30 * time.Second},
		{"among others", []string{`return=minimal, foo="a, wait=5"; bar, wait=30; x=y, respond-async`}, 30 * time.Second},
		{"in the second line", []string{"respond-async", "wait=30"}, 30 * time.Second},
		{"the first one counts", []string{"wait=30, wait=40"}, 30 * time.Second},
		{"the first one counts, and is malformed", []string{"wait=x, wait=40"}, 0},
		{"a minute at most", []string{"wait=61"}, time.Minute},
		{"more than any integer holds", []string{"wait=99999999999999999999999"}, time.Minute},
		{"leading zeros", []string{"wait=0030"}, 30 * time.Second},
		{"zero", []string{"wait=0"}, 0},
		{"a negative time", []string{"wait=-1"}, 0},
		{"a sign", []string{"wait=+1"}, 0},
		{"a fraction", []string{"wait=1.5"}, 0},
		{"a unit", []string{"wait=30s"}, 0},
		{"no time", []string{"wait"}, 0},
		{"a quote that is not closed", []string{`wait="`}, 0},
		{"another preference", []string{"waiting=30"}, 0},
	}
	for _, row := range rows {
		if got := rest.PreferredWait(http.Header{"Prefer": row.lines}); got != row.want {
			t.Errorf("%s: %q waits %v, want %v", row.name, row.lines, got, row.want)
		}
	}
}
