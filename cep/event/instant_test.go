package event

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTimesAreRFC3339(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	times := []int64{0, -1, 999_999, instantMin, instantMax, instantMax + 1, instantMin - 1, math.MinInt64, math.MaxInt64}
	for range 10_000 {
		times = append(times, instantMin+r.Int64N(instantMax-instantMin))
	}
	for _, us := range times {
		want := time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z")
		if got := string(AppendTime(nil, us)); got != want {
			t.Errorf("%d: got %s, want %s", us, got, want)
		}
	}
}
