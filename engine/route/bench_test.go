package route_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
)

// BenchmarkRoute measures the hop without a broker, in CPU time: JSON records of
// about 300 bytes and five fields become frames for one keyed log of 32
// partitions, which are read again.
func BenchmarkRoute(b *testing.B) {
	fields := []event.Field{{Name: "card", Type: event.String}, {Name: "user", Type: event.String}, {Name: "amount", Type: event.Decimal, Scale: 2},
		{Name: "status", Type: event.String}, {Name: "merchant", Type: event.String}}
	for i := range fields {
		fields[i].Path = []string{fields[i].Name}
	}
	payments := event.NewSchema("payment", fields)
	decoder := event.NewDecoder(event.Decl{Schema: payments, Time: []string{"ts"}, ID: []string{"id"}, Keys: []int{0}})
	records := make([][]byte, 4096)
	for i := range records {
		records[i] = fmt.Appendf(nil, `{"id":"6f1c%08x-0000-4000-8000-000000000000","ts":%d,"card":"card-%d","user":"user-%d","amount":%d.25,"status":"approved","merchant":"shop-%d",`+
			`"ip":"198.51.100.7","agent":"Mozilla/5.0 (X11; Linux x86_64)","currency":"EUR","channel":"web","session":"4b825dc642cb6eb9a060e54bf8d69288"}`,
			i, base/1000+int64(i), i*7919%1000, i*104729%1000, i%500, i%100)
	}
	r := route.NewRouter(task.Source{Stream: "payment", Origin: "payments"}, 8, route.Progress{})
	r.Use(task.Ref{Name: "payment", Revision: 1}, task.Stream{Schema: payments, Decoder: decoder, Doc: &syntax.Stream{Lateness: time.Hour}},
		[]route.Target{{Name: "log", Partitions: 32, Roles: [][]int{{1}}}})
	var spare []*event.Event
	d := route.Decoder{Schema: func(task.Ref) (*event.Schema, error) { return payments, nil }, Event: func() *event.Event {
		if n := len(spare); n > 0 {
			ev := spare[n-1]
			spare = spare[:n-1]
			return ev
		}
		return &event.Event{}
	}}
	for _, reads := range []bool{false, true} {
		name := map[bool]string{false: "write", true: "write+read"}[reads]
		b.Run(name, func(b *testing.B) {
			var fx route.Effects
			var frame task.Frame
			bytes, n, offset := 0, 0, int64(0)
			began := cpu()
			b.ReportAllocs()
			for b.Loop() {
				rec := task.Record{Offset: offset, Value: records[offset&4095]}
				offset++
				n++
				r.Step(&rec, &fx)
				if offset%1000 == 0 {
					r.Flush(&fx)
				}
				for i := range fx.Frames {
					bytes += len(fx.Frames[i].Value)
					if !reads {
						continue
					}
					if err := d.Decode(fx.Frames[i].Value, &frame); err != nil {
						b.Fatal(err)
					}
					spare = append(spare, frame.Events...)
				}
				fx.Reset()
			}
			b.ReportMetric(float64(n)/(cpu()-began).Seconds(), "events/cpu-s")
			b.ReportMetric(float64(bytes)/float64(n), "frame-bytes/event")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
