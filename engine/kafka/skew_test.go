package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

// TestAPartitionFarAheadWaitsForTheOthers gives one partition an hour and a half of
// events and the others nothing until it waits: it reads no further than
// max_skew, is not idle meanwhile, and goes on when the others have come; every
// alert is raised, once. A restart in between changes nothing.
func TestAPartitionFarAheadWaitsForTheOthers(t *testing.T) {
	b := newBench(t)
	b.topic("logins", 3)
	b.put(rules.KindStream, "login", strings.Replace(loginText, "idle: 0s", "idle: 1h\nmax_skew: 10m", 1))
	b.put(rules.KindRule, "twice", "apiVersion: caltrop/v1\nkind: Rule\nname: twice\nkey: card\nwithin: 5m\npattern: entry{2}\nsteps: {entry: {stream: login}}\n")
	const cards = 30
	for i := range cards {
		b.write("logins", 0, b.login(fmt.Sprint("c", i), i*180))
		b.write("logins", 0, b.login(fmt.Sprint("c", i), i*180+60))
	}
	waiting := func(e *Engine) *TaskStatus {
		for _, s := range e.Status().Tasks {
			if s.Topic == "logins" && s.ID.Partition == 0 && s.State == StatePaused {
				return &s
			}
		}
		return nil
	}
	for range 2 {
		e, stop := b.start(EngineOptions{Keeper: forgetful{}})
		b.until("the partition waiting", func() bool { return waiting(e) != nil })
		if s := waiting(e); !strings.Contains(s.Reason, "more than max_skew (10m0s) ahead of partition 1") || s.Position.Offset > 9 {
			t.Errorf("it waits at %+v: %s", s.Position, s.Reason)
		}
		stop()
	}
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	b.until("the partition waiting", func() bool { return waiting(e) != nil })
	for p := range int32(3) {
		b.write("logins", p, b.login("other", cards*180))
	}
	b.wantAlerts(cards)
}
