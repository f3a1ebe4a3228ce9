package keystats_test

import (
	"testing"
	"testing/synctest"
	"time"

	"key-value/kvservice/keystats"
)

func TestWhatWasHotYesterdayIsNotHotToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := keystats.New()
		for range 1000 {
			r.Record(keystats.Operation{Key: "yesterday"})
			time.Sleep(10 * time.Millisecond)
		}
		if got := r.Report(10).Reads.Keys; len(got) != 1 || got[0].PerSecond < 90 || got[0].PerSecond > 110 {
			t.Errorf("after 100 reads a second, the hottest keys are %+v", got)
		}
		time.Sleep(30 * time.Minute)
		if got := r.Report(10).Reads.Keys; len(got) != 0 {
			t.Errorf("half an hour later, the hottest keys are %+v, want none", got)
		}
		for range 100 {
			r.Record(keystats.Operation{Key: "today"})
			time.Sleep(10 * time.Millisecond)
		}
		if got := r.Report(10).Reads.Keys; len(got) != 1 || got[0].Key != "today" {
			t.Errorf("after reads of another key, the hottest keys are %+v, want that one", got)
		}
	})
}
