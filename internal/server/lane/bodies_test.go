package lane_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
)

// upload returns the streams of a connection on which the request with a body on stream 1 has arrived, and a function
// that returns what was inserted since its last call.
func upload(bounds lane.Bounds) (streams *lane.Streams, inserted func() []byte) {
	var frames []byte
	streams = lane.NewStreams(limiterOf(bounds), nil, func(b []byte) { frames = append(frames, b...) }, nil)
	streams.Arrived(h2.Frame{Kind: h2.TypeHeaders, Stream: 1})
	return streams, func() []byte {
		b := frames
		frames = nil
		return b
	}
}

func data(flags byte, length int) h2.Frame {
	return h2.Frame{Kind: h2.TypeData, Flags: flags, Stream: 1, Length: length}
}

func wantReplaced(t *testing.T, streams *lane.Streams, code uint32, want []byte, wantReplace bool) {
	t.Helper()
	got, replace := streams.Replace(1, code)
	if !bytes.Equal(got, want) || replace != wantReplace {
		t.Errorf("a reset with code %d is replaced by %q, %v, want %q, %v", code, got, replace, want, wantReplace)
	}
}

func TestAnUnreadBodyHasLimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		streams, inserted := upload(lane.Bounds{UnreadBytes: 100, UnreadTimeout: time.Minute})
		defer streams.Close()
		wantReplaced(t, streams, h2.CodeNoError, h2.WindowUpdate(1, 100), true)
		time.Sleep(time.Minute - time.Nanosecond)
		streams.Arrived(data(0, 1))
		if got := inserted(); got != nil {
			t.Errorf("within a minute, %q is sent", got)
		}
		time.Sleep(2 * time.Nanosecond)
		streams.Arrived(data(0, 1))
		if got := inserted(); !bytes.Equal(got, h2.EnoughRead(1)) {
			t.Errorf("after a minute, %q is sent, want a reset", got)
		}
		streams.Arrived(data(0, 1))
		if got := inserted(); got != nil {
			t.Errorf("after the reset, %q is sent", got)
		}
	})
}

// A server may not have seen the end of a body yet when it resets the stream.
func TestNoResetAfterAWholeBody(t *testing.T) {
	streams, inserted := upload(lane.Bounds{})
	defer streams.Close()
	streams.Arrived(data(h2.FlagEndStream, 1))
	wantReplaced(t, streams, h2.CodeNoError, nil, true)
	wantReplaced(t, streams, h2.CodeStreamClosed, nil, true) // of the data that it sees now
	if got := inserted(); got != nil {
		t.Errorf("%q is sent", got)
	}
}

func TestOtherResetsAreSent(t *testing.T) {
	streams, _ := upload(lane.Bounds{})
	defer streams.Close()
	const cancel = 0x8
	wantReplaced(t, streams, cancel, nil, false)
	wantReplaced(t, streams, h2.CodeStreamClosed, nil, false)
}

func TestAnExpiredUnreadBodyMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		streams, _ := upload(lane.Bounds{Streams: 1})
		defer streams.Close()
		wantReplaced(t, streams, h2.CodeNoError, h2.WindowUpdate(1, uint32(lane.Bounds{}.WithDefaults().UnreadBytes)), true)
		for _, wantRoom := range []bool{false, true} {
			if _, room := streams.Replace(3, h2.CodeNoError); room != wantRoom {
				t.Errorf("after %v there is room: %v", time.Now(), room)
			}
			time.Sleep(2 * time.Minute)
		}
	})
}
