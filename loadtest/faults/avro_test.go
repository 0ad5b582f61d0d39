//go:build e2e

package faults

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

const lifeRules = `apiVersion: caltrop/v1
kind: Rule
name: always
key: card_id
within: 10m
pattern: fail{2}
steps: {fail: {stream: payment, where: status == "declined"}}
alert: {measures: {spent: sum(fail.amount)}}
timing: final`

var lateRule = dipRule("latecomer", `amount < first.amount && status != ""`)

// Two schemas of payments: the second has its fields elsewhere, one more, and one
// that may be missing.
const (
	paymentFirst = `{"type":"record","name":"payment","fields":[{"name":"event_id","type":"string"},{"name":"ts","type":"long"},{"name":"card_id","type":"string"},
{"name":"amount","type":"string"},{"name":"status","type":"string"},{"name":"merchant_id","type":"string"},{"name":"user_id","type":["null","string"]}]}`
	paymentSecond = `{"type":"record","name":"payment","fields":[{"name":"user_id","type":["null","string"]},{"name":"merchant_id","type":"string"},{"name":"status","type":["null","string"]},
{"name":"device","type":["null","string"],"default":null},{"name":"amount","type":"string"},{"name":"card_id","type":"string"},{"name":"ts","type":"long"},{"name":"event_id","type":"string"}]}`
)

// TestAvroRulesStartWarmAndAStreamChanges stores a rule over a stream of Avro
// events that have come for a while, and then changes the stream under it, as the
// writer does its schema; the process is killed as it warms the rule up, and after
// the change. The rule's alerts are those of one that has always been there, over a
// stream that never changed.
func TestAvroRulesStartWarmAndAStreamChanges(t *testing.T) {
	registry := os.Getenv("E2E_REGISTRY")
	if registry == "" {
		t.Fatal("E2E_REGISTRY is not set: run by `make e2e`")
	}
	r := newLifeRig(t)
	r.Registry = fmt.Sprintf("{urls: [%q]}", registry)
	r.streams = []byte(strings.Replace(string(r.streams), "\ntime:", "\nformat: avro\ntime:", 1))
	r.rules = []byte(lifeRules)
	in := r.generate(*seed, 6000)
	r.rules = []byte(lifeRules + "\n---\n" + lateRule)
	parts := in.parts(3)
	sets := r.parted(in, parts)
	for name, n := range map[string]int{"warm": len(sets["latecomer"][1]), "after the change": len(sets["latecomer"][2]), "always": len(union(sets["always"]...))} {
		if n < 5 {
			t.Fatalf("%s: only %d alerts are expected: the test would show little", name, n)
		}
	}
	first, second := r.writer(registry, paymentFirst), r.writer(registry, paymentSecond)

	r.rules = []byte(lifeRules)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	r.send(first(parts[0]))
	r.drained(patience, a)
	r.kept(a)
	a.put("rules", "latecomer", []byte(lateRule))
	a.kill()
	a.start()
	r.settled(patience, a)
	r.send(first(parts[1]))
	r.drained(patience, a)
	changed := strings.Replace(string(r.streams), "status: string", "status: {type: string, optional: true}, device: {type: string, optional: true}", 1)
	a.put("streams", "payment", []byte(changed))
	r.settled(patience, a)
	half := len(parts[2]) / 2
	r.send(second(parts[2][:half]))
	a.kill()
	a.start()
	r.send(second(parts[2][half:]))
	r.drained(patience, a)

	want := union(append(sets["always"], sets["latecomer"][1:]...)...)
	r.sameInTopic(want)
	t.Logf("%d events, 2 kills: %d alerts, %d of them of the rule that started warm; 0 lost, 0 twice, 0 wrong",
		len(in.records)-in.closing, len(want), len(sets["latecomer"][1])+len(sets["latecomer"][2]))
}

// kept waits until a checkpoint, which a killed process goes on from, has all that
// was read: the one after one that may be under way.
func (r *rig) kept(p *process) {
	r.t.Helper()
	r.checkpointed(p)
	r.checkpointed(p)
}

// writer registers a schema and returns what makes Avro records of JSON ones.
func (r *rig) writer(registry, text string) func([]sent) []sent {
	r.t.Helper()
	client, err := sr.NewClient(sr.URLs(registry))
	if err != nil {
		r.t.Fatal(err)
	}
	known, err := client.CreateSchema(r.t.Context(), r.topic("payment")+"-value", sr.Schema{Schema: text})
	if err != nil {
		r.t.Fatal(err)
	}
	schema := avro.MustParse(text)
	header := binary.BigEndian.AppendUint32([]byte{0}, uint32(known.ID))
	return func(records []sent) []sent {
		r.t.Helper()
		out := make([]sent, len(records))
		for i := range records {
			var fields struct {
				EventID string      `json:"event_id"`
				TS      int64       `json:"ts"`
				Card    string      `json:"card_id"`
				Amount  json.Number `json:"amount"`
				Status  string      `json:"status"`
				Shop    string      `json:"merchant_id"`
			}
			if err := json.Unmarshal(records[i].value, &fields); err != nil {
				r.t.Fatal(err)
			}
			value, err := schema.AppendEncode(header[:len(header):len(header)], map[string]any{"event_id": fields.EventID, "ts": fields.TS, "card_id": fields.Card,
				"amount": fields.Amount.String(), "status": fields.Status, "merchant_id": fields.Shop, "user_id": nil, "device": nil})
			if err != nil {
				r.t.Fatal(err)
			}
			out[i] = records[i]
			out[i].value = value
		}
		return out
	}
}
