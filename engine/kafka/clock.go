package kafka

import "time"

// A clock tells the time of day by how much time has passed since it was made.
// A step of the host's clock does not reach it: a step ahead would make events
// late, one back would make them come from the future.
type clock struct{ began time.Time }

func newClock() clock { return clock{time.Now()} }

// micros returns now, as time.Now gave it, in µs since the epoch.
func (c clock) micros(now time.Time) int64 { return c.began.Add(now.Sub(c.began)).UnixMicro() }
