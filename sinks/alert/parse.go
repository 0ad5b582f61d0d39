package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/caltrop/caltrop/cep/event"
)

// ParseJSON reads what AppendJSON wrote. Types that JSON does not tell apart
// come back as the plainest value of the same JSON form (a time as a string, a
// number with a point as a decimal with those digits), so that the result
// written again is the same bytes. Members that are unknown or missing are
// let pass, but id, version, status, rule, key and at must be there.
func ParseJSON(b []byte) (*Alert, error) {
	v, err := fastjson.ParseBytes(b)
	if err != nil {
		return nil, fmt.Errorf("reading alert: %w", err)
	}
	o, err := v.Object()
	if err != nil {
		return nil, fmt.Errorf("reading alert: %w", err)
	}
	r := reader{a: &Alert{}}
	o.Visit(func(name []byte, v *fastjson.Value) { r.member(string(name), v) })
	if r.err != nil {
		return nil, r.err
	}
	for _, name := range [...]string{"id", "version", "status", "rule", "key", "at"} {
		if o.Get(name) == nil {
			return nil, fmt.Errorf("reading alert: it has no %q", name)
		}
	}
	return r.a, nil
}

// A reader fills an alert member by member and keeps the first error.
type reader struct {
	a   *Alert
	err error
}

func (r *reader) member(name string, v *fastjson.Value) {
	a := r.a
	switch name {
	case "id":
		id, err := ParseID(r.text(name, v))
		r.keep(name, err)
		a.ID = id
	case "status":
		a.Status = Status(r.text(name, v))
	case "rule":
		a.Rule = r.text(name, v)
	case "mode":
		a.Mode = r.text(name, v)
	case "severity":
		a.Severity = r.text(name, v)
	case "summary":
		a.Summary = r.text(name, v)
	case "version":
		a.Version = r.number(name, v)
	case "revision":
		a.Revision = r.number(name, v)
	case "score":
		a.Score = r.number(name, v)
	case "suppressed":
		a.Suppressed = r.number(name, v)
	case "at":
		a.At = r.time(name, v)
	case "final_after":
		a.FinalAfter = r.time(name, v)
	case "detected_at":
		a.DetectedAt = r.time(name, v)
	case "truncated":
		a.Truncated = r.truth(name, v)
	case "capped":
		a.Capped = r.truth(name, v)
	case "approximate":
		a.Approx = r.truth(name, v)
	default:
		r.nested(name, v)
	}
}

func (r *reader) nested(name string, v *fastjson.Value) {
	a := r.a
	switch name {
	case "key":
		r.key(v)
	case "measures":
		r.object(name, v, func(n string, v *fastjson.Value) {
			a.Measures = append(a.Measures, Measure{Name: n, Value: r.value(n, v)})
		})
	case "evidence":
		r.object(name, v, func(step string, v *fastjson.Value) {
			s := Step{Name: step}
			for _, e := range r.items(step, v) {
				s.Events = append(s.Events, r.event(e))
			}
			a.Evidence = append(a.Evidence, s)
		})
	case "lists":
		r.object(name, v, func(list string, v *fastjson.Value) {
			if a.Lists == nil {
				a.Lists = map[string]int{}
			}
			a.Lists[list] = r.number(list, v)
		})
	}
}

func (r *reader) key(v *fastjson.Value) {
	if v.Type() != fastjson.TypeArray {
		r.a.Key = []event.Value{r.value("key", v)}
		return
	}
	r.a.KeyList = true
	for _, part := range r.items("key", v) {
		r.a.Key = append(r.a.Key, r.value("key", part))
	}
}

// event reads one evidence event. Its schema is made from what it holds.
func (r *reader) event(v *fastjson.Value) *event.Event {
	e := &event.Event{}
	var stream string
	var fields []event.Field
	r.object("event", v, func(name string, v *fastjson.Value) {
		switch name {
		case "id":
			e.ID = r.text(name, v)
		case "stream":
			stream = r.text(name, v)
		case "time":
			e.Time = r.time(name, v)
		case "partition":
			e.Partition = int32(r.number(name, v))
		case "offset":
			e.Offset = int64(r.number(name, v))
		default:
			value := r.value(name, v)
			fields = append(fields, event.Field{Name: strings.TrimPrefix(name, "_"), Type: value.Type(), Scale: value.Scale(), Optional: true})
			e.Values = append(e.Values, value)
		}
	})
	e.Schema = event.NewSchema(stream, fields)
	return e
}

func (r *reader) value(name string, v *fastjson.Value) event.Value {
	switch v.Type() {
	case fastjson.TypeString:
		return event.StringOf(r.text(name, v))
	case fastjson.TypeNumber:
		return numberOf(string(v.MarshalTo(nil)))
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return event.BoolOf(v.Type() == fastjson.TypeTrue)
	case fastjson.TypeNull:
		return event.Value{}
	case fastjson.TypeArray:
		var items []string
		for _, item := range r.items(name, v) {
			items = append(items, r.text(name, item))
		}
		return event.ListOf(items)
	}
	r.keep(name, fmt.Errorf("a value cannot be an object"))
	return event.Value{}
}

// numberOf keeps the digits where 64 bits hold them, else the nearest double.
func numberOf(digits string) event.Value {
	whole, decimals, _ := strings.Cut(digits, ".")
	if n, err := strconv.ParseInt(whole+decimals, 10, 64); err == nil {
		v := event.DecimalOf(n, uint8(len(decimals)))
		if len(decimals) == 0 {
			v = event.IntOf(n)
		}
		if string(v.AppendText(nil)) == digits {
			return v
		}
	}
	f, _ := strconv.ParseFloat(digits, 64) // the parser has checked the form; out of range is ±Inf
	return event.DoubleOf(f)
}

func (r *reader) object(name string, v *fastjson.Value, each func(string, *fastjson.Value)) {
	o, err := v.Object()
	if err != nil {
		r.keep(name, err)
		return
	}
	o.Visit(func(n []byte, v *fastjson.Value) { each(string(n), v) })
}

func (r *reader) items(name string, v *fastjson.Value) []*fastjson.Value {
	items, err := v.Array()
	r.keep(name, err)
	return items
}

func (r *reader) text(name string, v *fastjson.Value) string {
	b, err := v.StringBytes()
	r.keep(name, err)
	return string(b)
}

func (r *reader) number(name string, v *fastjson.Value) int {
	n, err := v.Int64()
	r.keep(name, err)
	return int(n)
}

func (r *reader) truth(name string, v *fastjson.Value) bool {
	b, err := v.Bool()
	r.keep(name, err)
	return b
}

func (r *reader) time(name string, v *fastjson.Value) int64 {
	t, err := time.Parse(time.RFC3339Nano, r.text(name, v))
	if r.err == nil {
		r.keep(name, err)
	}
	return t.UnixMicro()
}

func (r *reader) keep(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("reading alert member %q: %w", name, err)
	}
}
