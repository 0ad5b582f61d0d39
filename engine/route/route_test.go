package route_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
)

const (
	base     = 1_000_000_000_000_000 // µs
	lateness = 10_000_000
)

var schema = event.NewSchema("transfer", []event.Field{
	{Name: "payer", Type: event.String}, {Name: "payee", Type: event.String, Optional: true}, {Name: "amount", Type: event.Int}})

// raw decodes records of the form "SECOND PAYER PAYEE AMOUNT".
type raw struct{}

func (raw) Decode(value []byte, ev *event.Event) error {
	var second float64
	var payer, payee string
	var amount int64
	if _, err := fmt.Sscan(string(value), &second, &payer, &payee, &amount); err != nil {
		return &event.Fault{Reason: event.BadJSON, Detail: "not four words"}
	}
	*ev = event.Event{Schema: schema, Time: base + int64(second*1e6), ID: "id-" + payer, Values: []event.Value{event.StringOf(payer), event.StringOf(payee), event.IntOf(amount)}}
	if payee == "-" {
		ev.Values[1] = event.Value{}
	}
	return nil
}

// A rig is a router with one keyed log of four partitions, by payer and payee.
type rig struct {
	t      *testing.T
	router *route.Router
	fx     route.Effects
	next   int64
	frames map[int32][]task.Frame // by partition
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, frames: map[int32][]task.Frame{}}
	r.router = route.NewRouter(task.Source{Stream: "transfer", Partition: 3, Origin: "transfers"}, 5, route.Progress{})
	r.router.Use(task.Ref{Name: "transfer", Revision: 2}, task.Stream{Schema: schema, Decoder: raw{},
		Doc: &syntax.Stream{Meta: syntax.Meta{Name: "transfer"}, Lateness: lateness * time.Microsecond, MaxFuture: time.Minute}},
		[]route.Target{{Name: "log", Partitions: 4, Roles: [][]int{{0}, {1}}}})
	return r
}

func (r *rig) step(value string, now float64) {
	rec := task.Record{Offset: r.next, Value: []byte(value)}
	if now != 0 {
		rec.Now = base + int64(now*1e6)
	}
	r.next++
	r.router.Step(&rec, &r.fx)
	r.take()
}

func (r *rig) flush() {
	r.router.Flush(&r.fx)
	r.take()
}

func (r *rig) beat(now float64, idle bool) {
	r.router.Beat(base+int64(now*1e6), idle, &r.fx)
	r.take()
}

func (r *rig) take() {
	for _, f := range r.fx.Frames {
		r.frames[f.Partition] = append(r.frames[f.Partition], r.decode(f.Value))
	}
	r.fx.Frames = r.fx.Frames[:0]
}

func (r *rig) decode(value []byte) task.Frame {
	r.t.Helper()
	d := route.Decoder{Event: func() *event.Event { return &event.Event{} }, Schema: func(ref task.Ref) (*event.Schema, error) {
		if ref != (task.Ref{Name: "transfer", Revision: 2}) {
			return nil, fmt.Errorf("no %v", ref)
		}
		return schema, nil
	}}
	var f task.Frame
	if err := d.Decode(value, &f); err != nil {
		r.t.Fatal(err)
	}
	return f
}

func (r *rig) count() (frames, events int) {
	for _, fs := range r.frames {
		for _, f := range fs {
			frames++
			events += len(f.Events)
		}
	}
	return frames, events
}

func TestAnEventGoesOnceToThePartitionOfEachOfItsKeys(t *testing.T) {
	r := newRig(t)
	names := []string{"ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"}
	for i, payer := range names {
		for j, payee := range names {
			r.step(fmt.Sprintf("%d %s %s %d", i+j, payer, payee, i), 0)
		}
	}
	r.flush()
	for partition, frames := range r.frames {
		last := int64(-1)
		for _, f := range frames {
			want := task.Source{Stream: "transfer", Partition: 3, Origin: "transfers"}
			if f.Source != want || f.Partitions != 5 || f.Idle != 0 || f.Mark != base+14e6-lateness-1 {
				t.Errorf("a frame says %+v", f)
			}
			for _, ev := range f.Events {
				payer, payee := names[ev.Offset/8], names[ev.Offset%8]
				if ev.Offset <= last || ev.Partition != 3 || ev.Time != base+(ev.Offset/8+ev.Offset%8)*1e6 || ev.ID != "id-"+payer ||
					ev.Values[0].Str() != payer || ev.Values[1].Str() != payee || ev.Values[2].Int() != ev.Offset/8 {
					t.Errorf("partition %d has, after offset %d, %+v", partition, last, ev)
				}
				last = ev.Offset
			}
		}
	}
	want := 0
	for _, payer := range names {
		for _, payee := range names {
			want++
			if route.PartitionOf([]byte(payer), 4) != route.PartitionOf([]byte(payee), 4) {
				want++
			}
		}
	}
	if _, events := r.count(); events != want {
		t.Errorf("%d events in frames, want %d", events, want)
	}
	if p := r.router.Progress(); p != (route.Progress{Next: 64, First: base - lateness - 1, Mark: base + 14e6 - lateness - 1}) {
		t.Errorf("progress %+v", p)
	}
}

func TestAnEventWithoutAKeyGoesNowhereAndIsCounted(t *testing.T) {
	r := newRig(t)
	r.router.Use(task.Ref{Name: "transfer", Revision: 2}, task.Stream{Schema: schema, Decoder: raw{}, Doc: &syntax.Stream{}},
		[]route.Target{{Name: "log", Partitions: 4, Roles: [][]int{{1}}}})
	r.step("0 ann - 1", 0)
	r.flush()
	if _, events := r.count(); events != 0 || r.router.Counts().NoKey != 1 {
		t.Errorf("%d events, counts %+v", events, r.router.Counts())
	}
}

// A frame is judged as its record is: what is behind the partition's watermark
// is late, what is stamped too far after now is quarantined, and what is stamped
// after now moves the watermark to now only.
func TestRecordsAreJudgedAtTheDoor(t *testing.T) {
	r := newRig(t)
	r.step("100 ann bob 1", 100)
	r.step("159 bob ann 1", 100) // counts as 100
	r.step("161 bob ann 1", 100) // over max_future
	r.step("90 cid ann 1", 100)
	r.step("89.999999 cid ann 1", 100)
	r.step("nonsense", 100)
	r.flush()
	reasons := []event.Reason{}
	for _, x := range slices.Concat(r.fx.Late, r.fx.Dead) {
		reasons = append(reasons, x.Reason)
	}
	if want := []event.Reason{task.LatePartition, task.Future, event.BadJSON}; !slices.Equal(reasons, want) {
		t.Errorf("rejected for %v, want %v", reasons, want)
	}
	if c := r.router.Counts(); c != (route.Counts{Records: 6, Routed: 3, Late: 1, Dead: 2}) {
		t.Errorf("counts %+v", c)
	}
	if mark := r.router.Progress().Mark; mark != base+100e6-lateness-1 {
		t.Errorf("watermark %d", mark)
	}
}

func TestAPartitionThatIsSentNothingIsToldTheWatermark(t *testing.T) {
	r := newRig(t)
	r.step("100 ann ann 1", 0)
	r.flush()
	r.beat(0, false)
	if frames, _ := r.count(); frames != 1 {
		t.Errorf("%d frames before a second passed", frames)
	}
	r.beat(1, false)
	r.beat(3, false)
	frames, events := r.count()
	if frames != 4 || events != 1 {
		t.Errorf("%d frames with %d events, want 4 with 1: one a partition", frames, events)
	}
	for p, fs := range r.frames {
		if last := fs[len(fs)-1]; last.Mark != base+100e6-lateness-1 || last.Idle != 0 {
			t.Errorf("partition %d was told %+v", p, last)
		}
	}
}

func TestAnIdlePartitionTellsAllByItsClock(t *testing.T) {
	r := newRig(t)
	r.beat(50, true)
	for p := range int32(4) {
		if fs := r.frames[p]; len(fs) != 1 || fs[0].Mark != 0 || fs[0].Idle != base+50e6-lateness-1 {
			t.Errorf("partition %d was told %+v", p, fs)
		}
	}
}

func TestAFrameIsClosedWhenItIsFull(t *testing.T) {
	r := newRig(t)
	for i := 0; len(r.frames) == 0; i++ {
		if i > 64<<10 {
			t.Fatal("no frame was closed")
		}
		r.step(fmt.Sprintf("%d ann ann 1", i), 0)
	}
	_, events := r.count()
	r.flush()
	if _, all := r.count(); all != events || events != int(r.next) {
		t.Errorf("%d events in the full frame, %d in all, %d read", events, all, r.next)
	}
}

func TestProgressIsReadBack(t *testing.T) {
	for _, want := range []route.Progress{
		{Next: 7, Mark: base},
		{Next: 7, Mark: base, First: base - 9, Idle: -5, Generation: 300, Misplaced: partitioner.Misplaced{Revision: 3, Records: 1 << 40, First: 6, Why: partitioner.NoKey}},
	} {
		if got, err := route.DecodeProgress(want.AppendTo(nil)); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	first := append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 8)...) // as the first builds wrote it
	if got, err := route.DecodeProgress(first); err != nil || got != (route.Progress{Next: 7}) {
		t.Errorf("the first format: %+v, %v", got, err)
	}
	whole := route.Progress{Next: 7, Mark: base}.AppendTo(nil)
	second := append([]byte{2}, whole[1:len(whole)-1]...) // without a generation
	if got, err := route.DecodeProgress(second); err != nil || got != (route.Progress{Next: 7, Mark: base}) {
		t.Errorf("the second format: %+v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, {1}, append(first, 0), append([]byte{4}, whole[1:]...), whole[:len(whole)-1], append(whole, 0), append([]byte{2}, make([]byte, 16)...)} {
		if _, err := route.DecodeProgress(bad); !errors.Is(err, route.ErrProgress) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{1, 0})
	r := newRig(&testing.T{})
	for i := range 3 {
		rec := task.Record{Offset: int64(i), Value: fmt.Appendf(nil, "%d ann bob 1", i)}
		r.router.Step(&rec, &r.fx)
	}
	r.router.Flush(&r.fx)
	r.router.Beat(base, true, &r.fx)
	for _, frame := range r.fx.Frames {
		f.Add(frame.Value)
	}
	d := route.Decoder{Event: func() *event.Event { return &event.Event{} }, Schema: func(task.Ref) (*event.Schema, error) { return schema, nil }}
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, two task.Frame
		if err := d.Decode(b, &one); err != nil {
			if !errors.Is(err, route.ErrFrame) {
				t.Fatalf("an error of no class: %v", err)
			}
			return
		}
		if err := d.Decode(b, &two); err != nil || !reflect.DeepEqual(one, two) {
			t.Errorf("read twice: %+v, then %+v, %v", one, two, err)
		}
		if len(one.Events) > len(b) {
			t.Errorf("%d events of %d bytes", len(one.Events), len(b))
		}
	})
}

// TestT51OneTerminalStampedAhead sends one event stamped just inside max_future:
// the watermark follows now, and no honest event is late.
func TestT51OneTerminalStampedAhead(t *testing.T) {
	r := newRig(t)
	r.step("159.9 bob ann 1", 100)
	for s := 91; s < 200; s++ {
		r.step(fmt.Sprintf("%d ann bob 1", s), float64(s+9))
	}
	if c := r.router.Counts(); c.Late != 0 || c.Dead != 0 || c.Routed != 110 {
		t.Errorf("counts %+v", c)
	}
}
