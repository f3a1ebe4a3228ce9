package cli

import (
	"testing"

	"github.com/spf13/cobra"
)

func TestMemoryIsDivided(t *testing.T) {
	t.Parallel()
	const mib, gib = 1 << 20, 1 << 30
	for _, test := range []struct {
		name         string
		limit        int64
		holdsEntries bool
		want         division
	}{
		{"a small container", 256 * mib, true, division{entries: 128 * mib, history: 4 * mib, inFlight: 32 * mib, conns: 170, watches: 170, calls: 256}},
		{"a gateway", 512 * mib, false, division{inFlight: 128 * mib, conns: 682, watches: 682, calls: 1024}},
		{"a container", gib, true, division{entries: 512 * mib, history: 16 * mib, inFlight: 128 * mib, conns: 682, watches: 682, calls: 1024}},
		{"a machine", 64 * gib, true, division{entries: 32 * gib, history: 64 * mib, inFlight: 8 * gib, conns: 16_384, watches: 20_000, calls: 2048}},
		{"almost nothing", 16 * mib, true, division{entries: 8 * mib, history: mib, inFlight: 2 * mib, conns: 64, watches: 64, calls: 64}},
		{"a system that does not say", 0, true, division{inFlight: gib, conns: 16_384, watches: 20_000, calls: 2048}},
	} {
		got := divide(test.limit, test.holdsEntries)
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
		total := got.entries + got.history + got.inFlight + int64(got.conns)*connectionCost + int64(got.watches)*watchCost + int64(got.calls)*callCost
		if test.limit >= 256*mib && total > test.limit*7/8 {
			t.Errorf("%s: %d of %d MiB are for something, want an eighth to be left", test.name, total/mib, test.limit/mib)
		}
	}
}

// The engine chooses the history if only --max-memory is given; the log says what it chose.
func TestTheLogSaysHowLargeTheHistoryIs(t *testing.T) {
	t.Parallel()
	cmd, s, e := &cobra.Command{}, &daemon{}, &engineFlags{}
	s.flags(cmd, "")
	e.flags(cmd)
	if err := cmd.ParseFlags([]string{"--max-memory", "512MiB", "--memory-limit", "1GiB"}); err != nil {
		t.Fatal(err)
	}
	s.divide(cmd, e)
	if got := s.memory.divided[len(s.memory.divided)-1]; got != "8MiB" {
		t.Errorf("history=%v, want 8MiB", got)
	}
}
