package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/rules"
)

const quietText = `apiVersion: caltrop/v1
kind: Rule
name: quiet
key: card_id
within: 30s
pattern: "!fail -> ok"
steps:
  fail: {stream: payment, where: status == "declined"}
  ok: {stream: payment, where: status == "approved"}
`

// TestARuleStartsWarmInALogThatBeginsLate stores a rule in a job that came from a
// savepoint, when it is needed no more. One source partition was far behind the other
// when the savepoint was asked for, and caught up before the tasks stored it: the new
// log has all of its events, and of the other's only those that the watermark had not
// passed need no part of a warm-up.
func TestARuleStartsWarmInALogThatBeginsLate(t *testing.T) {
	b := newBenchOf(t, strings.Replace(streamText, "partition_key: card_id", "partition_key: status", 1))
	keeper := newKeeping(t, nil)
	savepoints := checkpoint.NewSavepoints(keeper.store, "test")
	e, stop := b.start(EngineOptions{Keeper: keeper, Savepoints: savepoints, CheckpointEvery: time.Minute})
	b.until("all tasks live", func() bool { return b.live(e) == 2+2 })
	say := func(partition int32, status string, second int) {
		b.write("payments", partition, b.payment("c1", status, second))
	}
	say(0, "declined", 180)
	say(0, "approved", 200)
	say(1, "approved", 10)
	b.until("all to be read", func() bool { return b.keyedRead(e) == 3 })
	scope, err := e.Scope(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	say(1, "approved", 11)
	say(1, "approved", 200)
	b.until("all to be read", func() bool { return b.keyedRead(e) == 5 })
	if _, err := savepoints.Ask("first", scope, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.complete(savepoints, "first")
	stop()

	b.cluster = openKeyed(t, "other", 2, b.broker.ListenAddrs()...)
	e, stop = b.start(EngineOptions{Keeper: keeper.importing("test/first"), CheckpointEvery: time.Minute})
	b.until("all tasks live", func() bool { return b.live(e) == 2+2 })
	stop()
	e, _ = b.start(EngineOptions{Keeper: keeper.importing(""), CheckpointEvery: time.Minute})
	say(0, "approved", 201)
	say(1, "approved", 201)
	b.until("all to be read", func() bool { return b.keyedRead(e) == 7 })
	b.put(rules.KindRule, "quiet", quietText)
	b.until("the rule to be live", func() bool { return b.live(e) == 2+2 })
	for at, second := range []int{205, 206, 250, 251, 300, 301} {
		say(int32(at%2), "approved", second)
	}
	b.until("an alert", func() bool { return len(b.lastOf("quiet")) > 0 })
	if got := b.lastOf("quiet")[0]; !strings.HasPrefix(got, "c1 1700000250000000 ") {
		t.Errorf("the first alert is %s: before 250 s a payment was declined in each 30 s, or the log does not say", got)
	}
}
