package kafka

import (
	"testing"
	"time"
	"unsafe"
)

// stepped returns now as time.Now would give it after the host's clock was
// stepped by some seconds: the time of day moves, the time that passes does not.
// (Package time keeps seconds above 30 bits of nanoseconds.)
func stepped(now time.Time, seconds int64) time.Time {
	*(*uint64)(unsafe.Pointer(&now)) += uint64(seconds << 30)
	return now
}

func TestT30HostClockSteps(t *testing.T) {
	c := newClock()
	now := time.Now()
	for _, step := range []int64{3600, -3600} {
		after := stepped(now, step)
		if moved := after.UnixMicro() - now.UnixMicro(); moved != step*1e6 {
			t.Fatalf("the test moved the time of day by %d µs, want %d s", moved, step)
		}
		if got, want := c.micros(after), c.micros(now); got != want {
			t.Errorf("after a step of %d s the clock says %d, before %d", step, got, want)
		}
	}
	if got, want := c.micros(now.Add(time.Minute)), c.micros(now)+60e6; got != want {
		t.Errorf("a minute later the clock says %d, want %d", got, want)
	}
}
