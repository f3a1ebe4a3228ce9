package keystats

import "math"

// NewUnlimited returns a recorder that samples every operation, however many there are.
func NewUnlimited() *Recorder {
	r := New()
	r.perWindow = math.MaxInt
	return r
}
