package backtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/sinks/alert"
)

const documents = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
id: id
partition_key: card
lateness: 10s
idle: 10s
fields: {card: string, amount: double}
---
apiVersion: caltrop/v1
kind: Rule
name: rising
key: card
within: 10m
pattern: small{2,} -> large
steps:
  small: {stream: payment, where: amount < 5}
  large: {stream: payment, where: amount > 90}
alert: {suppress: 5m}
---
apiVersion: caltrop/v1
kind: Rule
name: quiet
key: card
within: 2m
pattern: large -> !small
steps:
  large: {stream: payment, where: amount > 90}
  small: {stream: payment, where: amount < 5}
`

// begin is the time of the first event, in seconds.
const begin = 1_790_000_000

func load(t *testing.T, text string) *rules.Set {
	t.Helper()
	set, problems := rules.Check(nil, rules.Source{Name: "documents", Text: []byte(text)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return set
}

// memory is a History of one topic.
type memory [][]backtest.Record

func (m memory) Spans(_ context.Context, topic string, from time.Time) ([]backtest.Span, error) {
	if topic != "payments" {
		return nil, fmt.Errorf("no topic %s", topic)
	}
	var spans []backtest.Span
	for p, records := range m {
		s := backtest.Span{Partition: int32(p), To: int64(len(records))}
		for i := range records {
			if !from.IsZero() && records[i].Time < from.UnixMicro() {
				s.From = int64(i) + 1
			}
		}
		spans = append(spans, s)
	}
	return spans, nil
}

func (m memory) Open(_ context.Context, _ string, s backtest.Span) (backtest.Reader, error) {
	return &reader{m[s.Partition][s.From:s.To]}, nil
}

type reader struct{ rest []backtest.Record }

func (r *reader) Next(ctx context.Context, rec *backtest.Record) error {
	if len(r.rest) == 0 {
		return io.EOF
	}
	*rec, r.rest = r.rest[0], r.rest[1:]
	return ctx.Err()
}

func (r *reader) Close() {}

// traffic makes events of ten cards over an hour, at most four seconds out of
// order, spread over partitions by card, and the same as lines for `match`.
func traffic(seed uint64, partitions int) (m memory, lines string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	m = make(memory, partitions)
	var all strings.Builder
	for i := range 1200 {
		at := begin + 3*i
		card := rng.IntN(10)
		amount := rng.IntN(100)
		value := fmt.Sprintf(`"id":"e%d","ts":%d,"card":"c%d","amount":%d}`, i, (at-rng.IntN(5))*1000, card, amount)
		p := card % partitions
		m[p] = append(m[p], backtest.Record{Offset: int64(len(m[p])), Time: int64(at) * 1e6, Value: []byte("{" + value)})
		fmt.Fprintf(&all, "{\"stream\":\"payment\",%s\n", value)
	}
	return m, all.String()
}

// matched is what `match` says of the lines.
func matched(t *testing.T, set *rules.Set, lines string) []alert.Alert {
	t.Helper()
	run, err := offline.New(set, offline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := offline.NewLines(run, set, strings.NewReader(lines))
	for err == nil {
		err = in.Next()
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	return run.Alerts
}

// said tells what alerts say but for where their events lay: rule, key, time,
// version, events.
func said(alerts []alert.Alert, from, to int64) []string {
	var out []string
	for i := range alerts {
		a := &alerts[i]
		if a.At < from || a.At >= to {
			continue
		}
		line := fmt.Sprintf("%s %s %d v%d %s", a.Rule, a.KeyText(), a.At, a.Version, a.Status)
		for _, s := range a.Evidence {
			for _, e := range s.Events {
				line += " " + e.ID
			}
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func run(t *testing.T, p backtest.Plan) *backtest.Result {
	t.Helper()
	p.Dir = t.TempDir()
	result, err := backtest.Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Over all that is kept a backtest says what `match` says up to the last
// record's time, however the events are spread.
func TestABacktestEqualsMatch(t *testing.T) {
	set := load(t, documents)
	for seed := range uint64(5) {
		for _, partitions := range []int{1, 3} {
			m, lines := traffic(seed, partitions)
			end := int64(begin+3*1199) * 1e6
			got := run(t, backtest.Plan{Set: set, History: m, To: time.UnixMicro(end), Parallel: 2})
			want := said(matched(t, set, lines), 0, end)
			if g := said(got.Alerts, 0, end); !slices.Equal(g, want) || len(g) < 20 {
				t.Errorf("seed %d, %d partitions: got %d\n%s\nwant %d\n%s", seed, partitions, len(g), strings.Join(g, "\n"), len(want), strings.Join(want, "\n"))
			}
		}
	}
}

// A part of the history gives the alerts of that part: reading begins as far
// before it as the rules look back.
func TestAPartOfTheHistory(t *testing.T) {
	text := strings.ReplaceAll(documents, "alert: {suppress: 5m}\n", "")
	set := load(t, text)
	if got, want := backtest.Lead(set), 10*time.Minute+10*time.Second; got != want {
		t.Errorf("the rules look back %s, want %s", got, want)
	}
	m, lines := traffic(7, 2)
	from, to := time.Unix(begin+1500, 0), time.Unix(begin+2700, 0)
	got := run(t, backtest.Plan{Set: set, History: m, From: from, To: to})
	want := said(matched(t, set, lines), from.UnixMicro(), to.UnixMicro())
	if g := said(got.Alerts, 0, 1<<62); !slices.Equal(g, want) || len(g) < 5 {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(g, "\n"), strings.Join(want, "\n"))
	}
	for _, in := range got.Inputs {
		if in.From == 0 || in.To == int64(len(m[in.Partition])) {
			t.Errorf("all of partition %d was read: %+v", in.Partition, in)
		}
	}
}

// Two runs over the same records are equal in all; another record changes the
// input's hash.
func TestASecondRunIsEqual(t *testing.T) {
	set := load(t, documents)
	m, _ := traffic(3, 3)
	first := run(t, backtest.Plan{Set: set, History: m, Parallel: 3})
	second := run(t, backtest.Plan{Set: set, History: m, Parallel: 1})
	if a, b := text(first), text(second); a != b {
		t.Errorf("got\n%s\nthen\n%s", a, b)
	}
	m[1][5].Value = []byte(`{"id":"e","ts":1790000000000,"card":"c1","amount":1}`)
	third := run(t, backtest.Plan{Set: set, History: m})
	for i, in := range third.Inputs {
		if same := in.Hash == first.Inputs[i].Hash; same != (in.Partition != 1) {
			t.Errorf("partition %d: same hash %v", in.Partition, same)
		}
	}
}

func text(r *backtest.Result) string {
	var b []byte
	for i := range r.Alerts {
		b = append(r.Alerts[i].AppendJSON(b), '\n')
	}
	return fmt.Sprintf("%s%+v%+v", b, r.Inputs, r.Rules)
}

// Silence moves event time by the times of the records: a deadline fires though
// the partition's next event comes an hour later, and an old event that wakes
// it is late.
func TestSilenceComesFromTheRecords(t *testing.T) {
	set := load(t, documents)
	record := func(offset, at, ts int, amount int) backtest.Record {
		return backtest.Record{Offset: int64(offset), Time: int64(begin+at) * 1e6,
			Value: fmt.Appendf(nil, `{"id":"e%d","ts":%d,"card":"c","amount":%d}`, offset, (begin+ts)*1000, amount)}
	}
	m := memory{{record(0, 0, 0, 95), record(1, 3600, 60, 1), record(2, 3601, 3601, 50)}}
	got := run(t, backtest.Plan{Set: set, History: m})
	if g := said(got.Alerts, 0, 1<<62); !slices.Equal(g, []string{fmt.Sprintf("quiet c %d v1 raised e0", int64(begin+120)*1e6)}) {
		t.Errorf("got %q", g)
	}
	if in := got.Inputs[0]; in.Late != 1 || in.Accepted != 2 || in.Records != 3 {
		t.Errorf("got %+v", in)
	}
}

func TestWhatCannotRunIsSaid(t *testing.T) {
	m, _ := traffic(1, 2)
	set := load(t, documents)
	p := backtest.Plan{Set: set, History: m, Dir: t.TempDir(), AlertsMax: 3}
	if _, err := backtest.Run(t.Context(), p, nil); !errors.Is(err, backtest.ErrTooMany) {
		t.Errorf("over the bound: %v", err)
	}
	p.Set, p.Dir = load(t, strings.ReplaceAll(documents, "topic: payments", "topic: other")), t.TempDir()
	if _, err := backtest.Run(t.Context(), p, nil); err == nil || !strings.Contains(err.Error(), "stream payment: no topic other") {
		t.Errorf("without the topic: %v", err)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	m, _ := traffic(1, 2)
	progress := &backtest.Progress{}
	if _, err := backtest.Run(t.Context(), backtest.Plan{Set: load(t, documents), History: m, Dir: t.TempDir()}, progress); err != nil {
		t.Fatal(err)
	}
	if read, total := progress.Of(); read != 1200 || total != 1200 {
		t.Errorf("progress %d of %d", read, total)
	}
}
