package main

import (
	"os"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

func TestRatiosAreTakenWithinRounds(t *testing.T) {
	s := &site{figures: []*figure{
		{Scenario: redisGets, Rate: []float64{100, 1000, 100}}, {Scenario: batchedGets, Rate: []float64{20, 100, 30}},
	}}
	v := goals[0].judge(s)
	if v.Ratio != 0.2 || v.Low != 0.1 || v.High != 0.3 || !v.Reached {
		t.Errorf("the verdict is %+v, want 0.2 (0.1 to 0.3), reached", v)
	}
	s.figures[1].Rate = []float64{11, 110, 11}
	if v := goals[0].judge(s); v.Reached {
		t.Errorf("the verdict is %+v, want it not reached", v)
	}
}

func TestCPUTimeIsCounted(t *testing.T) {
	before, err := proc.CPUTime(os.Getpid())
	if err != nil {
		t.Skip(err) // without /proc
	}
	for begun := time.Now(); time.Since(begun) < 10*time.Second; {
		if now, err := proc.CPUTime(os.Getpid()); err != nil || now > before {
			return
		}
	}
	t.Errorf("CPU time is still %v after ten seconds of work", before)
}

func TestNumbersOfInfoAreRead(t *testing.T) {
	const info = "# Memory\r\nused_memory:1048576\r\nused_memory_dataset:42\r\nused_memory_dataset_perc:1.5%\r\n"
	if got := number(info, "used_memory"); got != 1048576 {
		t.Errorf("used_memory = %v, want 1048576", got)
	}
	if got := number(info, "used_memory_dataset"); got != 42 {
		t.Errorf("used_memory_dataset = %v, want 42", got)
	}
}
