package kafka

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caltrop/caltrop/engine/avro"
	library "github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// Two schemas of payments: the writer has moved a field, added one, and made
// another optional.
const (
	avroFirst  = `{"type":"record","name":"p","fields":[{"name":"event_id","type":"string"},{"name":"ts","type":"long"},{"name":"card_id","type":"string"},{"name":"status","type":"string"}]}`
	avroSecond = `{"type":"record","name":"p","fields":[{"name":"status","type":["null","string"]},{"name":"note","type":"bytes"},{"name":"card_id","type":"string"},{"name":"event_id","type":"string"},{"name":"ts","type":"long"}]}`
)

// An avroBench is a bench whose payments are Avro, with a registry that can be
// down.
type avroBench struct {
	*bench
	fake     *srfake.Registry
	registry *avro.Registry
	down     atomic.Bool
}

func newAvroBench(t *testing.T) *avroBench {
	b := &avroBench{bench: newBenchOf(t, streamText+"format: avro\n"), fake: srfake.New()}
	t.Cleanup(b.fake.Close)
	b.fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if b.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return b.down.Load()
	})
	b.fake.SeedSchema("p", 1, 1, sr.Schema{Schema: avroFirst})
	b.fake.SeedSchema("p", 2, 2, sr.Schema{Schema: avroSecond})
	var err error
	if b.registry, err = avro.New(avro.Options{URLs: []string{b.fake.URL()}}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *avroBench) run() (*Engine, func()) {
	e, stop := b.start(EngineOptions{Keeper: forgetful{}, Schemas: b.registry})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	return e, stop
}

// paid is a payment at a second of event time, written with schema text under id.
func (b *avroBench) paid(id uint32, text, status string, second int) string {
	b.seq++
	v := map[string]any{"event_id": fmt.Sprintf("e%d", b.seq), "ts": int64(1_700_000_000+second) * 1000, "card_id": "c1", "status": status, "note": []byte("x")}
	out, err := library.MustParse(text).AppendEncode(binary.BigEndian.AppendUint32([]byte{0}, id), v)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(out)
}

// Fault 22, the unknown schema, with writers that change their schema: the
// unknown one is a dead letter, also in a replay after it was registered.
func TestAvroEventsOfChangingSchemasAreMatched(t *testing.T) {
	b := newAvroBench(t)
	_, stop := b.run()
	b.produce(
		b.paid(1, avroFirst, "declined", 0), b.paid(2, avroSecond, "declined", 1), b.paid(9, avroFirst, "declined", 2), "{}",
		b.paid(1, avroFirst, "declined", 3), b.paid(2, avroSecond, "approved", 30),
	)
	b.wantAlerts(1)
	reasons := map[string]int{}
	for _, m := range b.dead() {
		reasons[headers(m)["reason"]]++
	}
	if len(reasons) != 2 || reasons["unknown_schema"] != 1 || reasons["bad_magic"] != 1 {
		t.Errorf("dead letters by reason %v, want one unknown_schema and one bad_magic", reasons)
	}
	stop()
	b.fake.SeedSchema("p", 3, 9, sr.Schema{Schema: avroFirst})
	var err error
	if b.registry, err = avro.New(avro.Options{URLs: []string{b.fake.URL()}}); err != nil { // remembers nothing
		t.Fatal(err)
	}
	b.run()
	b.produce(b.paid(9, avroFirst, "declined", 100), b.paid(9, avroFirst, "declined", 101), b.paid(9, avroFirst, "declined", 102), b.paid(1, avroFirst, "approved", 130))
	b.wantAlerts(2)
	if n := len(b.dead()); n != 2 {
		t.Errorf("%d dead letters after the replay, want 2", n)
	}
}

// A registry that does not answer makes tasks wait, and kills no record.
func TestARegistryThatIsDownIsWaitedFor(t *testing.T) {
	b := newAvroBench(t)
	b.down.Store(true)
	e, _ := b.run()
	b.produce(b.paid(1, avroFirst, "declined", 0), b.paid(2, avroSecond, "declined", 1), b.paid(1, avroFirst, "declined", 2), b.paid(1, avroFirst, "approved", 30))
	b.until("a task that waits for the registry", func() bool {
		for _, s := range e.Status().Tasks {
			if s.State == StatePaused && strings.Contains(s.Reason, "schema registry") {
				return true
			}
		}
		return false
	})
	if n := len(b.dead()); n != 0 {
		t.Errorf("%d dead letters while the registry is down", n)
	}
	b.down.Store(false)
	b.wantAlerts(1)
	b.until("two live tasks again", func() bool { return b.live(e) == 2 })
	if n := len(b.dead()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestWithoutARegistryAvroStreamsWait(t *testing.T) {
	b := newAvroBench(t)
	e, _ := b.engine()
	b.produce(b.paid(1, avroFirst, "declined", 0))
	b.until("a task that says so", func() bool {
		for _, s := range e.Status().Tasks {
			if strings.Contains(s.Reason, avro.ErrNoRegistry.Error()) {
				return true
			}
		}
		return false
	})
}
