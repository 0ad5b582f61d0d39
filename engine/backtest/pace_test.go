package backtest

import (
	"context"
	"testing"
	"time"
)

// A pace rests so that work takes its share of the time, in short slices.
func TestPace(t *testing.T) {
	for _, share := range []float64{0.1, 0.5, 0.9, 1} {
		began := time.Unix(0, 0)
		now, worked, longest, slice := began, time.Duration(0), time.Duration(0), time.Duration(0)
		p := pace{share: share, now: func() time.Time { return now }, rest: func(_ context.Context, d time.Duration) {
			longest, slice, now = max(longest, slice), 0, now.Add(d)
		}}
		const record = 10 * time.Microsecond
		for range 100_000 {
			p.turn(t.Context())
			now, worked, slice = now.Add(record), worked+record, slice+record
		}
		if got := float64(worked) / float64(now.Sub(began)); got < share*0.99 || got > share*1.01 {
			t.Errorf("share %g: it worked %g of the time", share, got)
		}
		if longest > paceSlice+paceRecords*record {
			t.Errorf("share %g: %s of work without a rest", share, longest)
		}
	}
}
