package lane

import "time"

var start = time.Now()

// Now returns the time since the program started, in nanoseconds. Setting the wall clock does not change it.
func Now() int64 { return int64(time.Since(start)) }
