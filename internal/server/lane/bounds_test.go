package lane_test

import (
	"reflect"
	"testing"
	"time"

	"key-value/internal/server/lane"
)

func TestEveryBoundHasADefault(t *testing.T) {
	t.Parallel()
	defaults := reflect.ValueOf(lane.Bounds{}.WithDefaults())
	for i := range defaults.NumField() {
		if defaults.Field(i).IsZero() {
			t.Errorf("%s has no default", defaults.Type().Field(i).Name)
		}
	}
}

func TestABoundThatIsSetIsKept(t *testing.T) {
	t.Parallel()
	var set lane.Bounds
	fields := reflect.ValueOf(&set).Elem()
	for i := range fields.NumField() {
		fields.Field(i).SetInt(int64(i) + 7)
	}
	if got := set.WithDefaults(); got != set {
		t.Errorf("WithDefaults = %+v, want %+v", got, set)
	}
	if got := (lane.Bounds{HeaderBytes: 1}).WithDefaults(); got.HeaderBytes != 1 || got.HeaderTimeout != 10*time.Second {
		t.Errorf("WithDefaults = %+v, want 1 byte of headers within 10 s", got)
	}
}
