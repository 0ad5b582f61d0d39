//go:build e2e

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// strangersRule reads a list, which the test changes while the job runs.
const (
	strangersRule = `apiVersion: caltrop/v1
kind: Rule
name: stranger
key: card_id
within: 5m
pattern: pay
steps: {pay: {stream: payment, where: 'amount > 400 && !in_list("known", card_id)'}}`
	knownList = `apiVersion: caltrop/v1
kind: List
name: known
entries: [c-0]
`
)

// newBacktestRig is a rig with two streams and rules on them, some direct, some
// by way of keyed logs, and the events of it.
func newBacktestRig(t *testing.T, events int) (*rig, *input) {
	r := newRig(t)
	r.only, r.History, r.Keyed, r.keyedLogs = []string{"payment", "login"}, "pebble", 2, 2
	r.streams = r.keyed("30s", "payment", "login")
	direct := strings.Split(string(r.rules), "\n---\n")[0]
	r.rules = []byte(direct + "\n---\n" + routedRules)
	return r, r.generate(*seed, events)
}

// known is the list with the cards of every other payment.
func known(records []sent) []byte {
	cards := map[string]bool{}
	for i := range records {
		if records[i].stream == "payment" && i%2 == 0 {
			cards[string(records[i].key)] = true
		}
	}
	return []byte(strings.Replace(knownList, "c-0", strings.Join(slices.Sorted(maps.Keys(cards)), ", "), 1))
}

// A backtestReport is what the tests read of a report.
type backtestReport struct {
	Rules []struct {
		Rule   string
		Alerts int
	}
	Inputs []struct{ Records uint64 }
	Live   *struct {
		Equal         bool
		Tasks, Alerts int
		Differences   []map[string]any
	}
}

// backtest runs the command of that name.
func (r *rig) backtest(args ...string) (report backtestReport, text []byte) {
	r.t.Helper()
	cmd := exec.Command(r.binary, append([]string{"backtest", "--brokers", r.Brokers, "--prefix", r.Name, "--json"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("backtest %v: %v\n%s", args, err, &errs)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		r.t.Fatal(err)
	}
	return report, text
}

// TestBacktestOfTheJournalEqualsLive changes a rule and a list while events come
// in, then runs the tasks again from their logs and journals: alert by alert it
// is what the topic holds.
func TestBacktestOfTheJournalEqualsLive(t *testing.T) {
	t.Parallel()
	r, in := newBacktestRig(t, 4000)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.store(a)
	a.put("lists", "known", []byte(knownList))
	a.put("rules", "stranger", []byte(strangersRule))
	r.settled(patience, a)
	half := len(in.records) / 2
	if err := r.produce(in.records[:half], 0); err != nil {
		t.Fatal(err)
	}
	r.drained(patience, a)
	a.put("lists", "known", known(in.records[half:]))
	a.put("rules", "busy-shop", []byte(strings.Replace(strings.Split(routedRules, "\n---\n")[1], "n >= 3", "n >= 2", 1)))
	r.settled(patience, a)
	if err := r.produce(in.records[half:], 0); err != nil {
		t.Fatal(err)
	}
	during, _ := r.backtest("--source", "journal", "--job", r.Name) // while the tasks go on
	r.drained(patience, a)
	eventually(t, patience, func() string {
		revisions := r.revisions()
		if revisions["busy-shop/2"] == 0 || revisions["stranger/1"] == 0 || revisions["failed-payments/1"] == 0 {
			return fmt.Sprintf("alerts are of %v", revisions)
		}
		return ""
	})
	a.terminate()
	written := len(r.committed())
	after, _ := r.backtest("--source", "journal", "--job", r.Name, "--parallel", "2")
	if during.Live == nil || !during.Live.Equal {
		t.Errorf("beside the job: %+v", during.Live)
	}
	if after.Live == nil || !after.Live.Equal || after.Live.Alerts != written || written < 50 {
		t.Errorf("%d alerts are in the topic; got %+v", written, after.Live)
	}
	t.Logf("%d alerts of %d tasks are equal", after.Live.Alerts, after.Live.Tasks)
}

// TestT39BacktestBesideLive runs backtests over REST, of the rules that are live
// and of what the live tasks did, while events come in: the live alerts are those
// of match, each once, and two backtests of one history are equal.
func TestT39BacktestBesideLive(t *testing.T) {
	t.Parallel()
	r, in := newBacktestRig(t, 6000)
	want := r.matched(in)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	live := in.records[:len(in.records)-in.closing]
	if err := r.produce(live[:len(live)/2], 0); err != nil {
		t.Fatal(err)
	}
	rest := live[len(live)/2:]
	produced := make(chan error, 1)
	go func() { produced <- r.produce(rest, len(rest)/12) }()
	done := 0
	for beside := true; beside; done++ {
		for _, source := range []string{"topics", "journal"} {
			if report := a.backtest(source); len(report.Inputs) == 0 || source == "journal" && !report.Live.Equal {
				t.Errorf("%s: %+v", source, report)
			}
		}
		select {
		case err := <-produced:
			if beside = false; err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	if err := r.produce(in.records[len(live):], 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, func() string { return want.difference(r.committed()) })
	t.Logf("%d events, %d backtests of each kind beside them, %d alerts, 0 lost, 0 twice", len(live), done, len(want))
}

// backtest runs one over REST, to its end.
func (p *process) backtest(source string) (report backtestReport) {
	p.t.Helper()
	answer, err := http.Post("http://"+p.address+"/v1/backtests?source="+source, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		p.t.Fatalf("starting a backtest: %s", answer.Status)
	}
	var op struct {
		State, Error string
		Report       backtestReport
	}
	eventually(p.t, patience, func() string {
		if err := p.get(answer.Header.Get("Location"), &op); err != nil {
			return err.Error()
		}
		if op.State == "waiting" || op.State == "running" {
			return "the backtest is " + op.State
		}
		return ""
	})
	if op.State != "done" {
		p.t.Errorf("the backtest is %s: %s", op.State, op.Error)
	}
	return op.Report
}

// revisions counts the alerts of each revision of a rule, RULE/REVISION.
func (r *rig) revisions() map[string]int {
	found := map[string]int{}
	r.readAll(r.Name+".alerts", func(m *ck.Message) {
		a, err := alert.ParseJSON(m.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		found[fmt.Sprintf("%s/%d", a.Rule, a.Revision)]++
	})
	return found
}
