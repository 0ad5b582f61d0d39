package backtest

import (
	"context"
	"time"
)

const (
	paceRecords = 16               // between two looks at the clock
	paceSlice   = time.Millisecond // of work, then a rest: what runs beside waits no longer
)

// A pace lets one goroutine work a share of the time, so that a live engine has
// the rest. The wait for records counts as work.
type pace struct {
	share   float64 // 1, or more: it never rests
	records int
	began   time.Time // the slice

	now  func() time.Time
	rest func(context.Context, time.Duration) // until the time has passed or ctx ends
}

func (p *Plan) pace() pace { return pace{share: p.Share, now: time.Now, rest: pause} }

// turn is called for each record.
func (p *pace) turn(ctx context.Context) {
	if p.share >= 1 {
		return
	}
	if p.records++; p.records%paceRecords != 1 {
		return
	}
	now := p.now()
	if p.began.IsZero() {
		p.began = now
	}
	if worked := now.Sub(p.began); worked >= paceSlice {
		p.rest(ctx, time.Duration(float64(worked)*(1/p.share-1)))
		p.began = p.now()
	}
}

func pause(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
