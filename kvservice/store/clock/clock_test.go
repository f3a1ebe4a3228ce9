package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

// Zero is when the local clock began, by its wall clock.
var zero = time.Unix(1_700_000_000, 0)

func at(now time.Duration) Reading { return Reading{Now: int64(now), begin: zero.UnixNano()} }

func TestAnInstantIsShownByTheWallClockAndCountsDownByTheMonotonicOne(t *testing.T) {
	r := at(time.Minute)
	if got := r.Wall(int64(time.Hour)); !got.Equal(zero.Add(time.Hour)) {
		t.Errorf("the instant is shown as %v, want %v", got, zero.Add(time.Hour))
	}
	if left := r.Left(int64(time.Hour)); left != 59*time.Minute {
		t.Errorf("%v are left, want 59m", left)
	}
	if left := r.Left(0); left != 1 {
		t.Errorf("%v are left until an instant that is past, want 1ns", left)
	}
}

// A clock that is read once a minute keeps showing an instant alike, unless it is set.
func TestARemoteClockIsFollowedWhenItIsSet(t *testing.T) {
	const trip = 20 * time.Millisecond
	var remote Remote
	for i, test := range []struct{ ahead, shift time.Duration }{
		{0, 0},
		{trip / 2, 0},
		{slack, 0}, // within what is not noticed
		{time.Hour, time.Hour},
		{time.Hour + slack, time.Hour},
		{-time.Hour, -time.Hour},
		{-time.Millisecond, 0}, // as the local clock again
	} {
		sent := time.Duration(i) * time.Minute
		remote.Observe(at(sent), at(sent+trip), zero.Add(sent+trip/2+test.ahead))
		noon := zero.Add(12 * time.Hour)
		if got := time.Duration(remote.Instant(noon)); got != 12*time.Hour-test.shift {
			t.Errorf("%v ahead, the clock shows noon after %v, want %v", test.ahead, got, 12*time.Hour-test.shift)
		}
	}
}

func TestSettingTheLocalClockDoesNotMoveARemoteOne(t *testing.T) {
	var remote Remote
	remote.Observe(at(0), at(0), zero)
	stepped := Reading{Now: int64(time.Minute), begin: zero.Add(time.Hour).UnixNano()}
	remote.Observe(stepped, stepped, zero.Add(time.Minute))
	at := remote.Instant(zero.Add(2 * time.Minute))
	if left := stepped.Left(at); left != time.Minute {
		t.Errorf("%v are left, want 1m", left)
	}
	if got, want := stepped.Wall(at), zero.Add(time.Hour+2*time.Minute); !got.Equal(want) {
		t.Errorf("the instant is shown as %v, want %v", got, want)
	}
}

func TestAdvancingAClockMovesBothItsInstantsAndItsWallTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		c.Advance(time.Hour)
		time.Sleep(time.Second)
		r, want := c.Read(), time.Hour+time.Second
		if got := time.Duration(r.Now); got != want || c.Now() != r.Now {
			t.Errorf("the instant is %v and %v, want %v", got, time.Duration(c.Now()), want)
		}
		if got, want := r.Wall(r.Now), time.Now().Add(time.Hour); !got.Equal(want) {
			t.Errorf("the clock shows %v, want %v", got, want)
		}
	})
}
