package ceptest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// A Version is one version of an alert that is sent.
type Version struct {
	Alert      Alert
	Number     int
	Suppressed int
}

// Suppressed returns what is sent of the raised alerts of one rule, which come
// in their order: an alert in the period [at, at + d) of a sent one of its key
// is counted instead, and a period that ends with a count adds a version to
// the alert that began it. Without a period all are sent.
func (s *Setting) Suppressed(raised []Alert) []Version {
	d := s.Rule.Alert.Suppress.Microseconds()
	var sent []Version
	last := map[string]int{} // index in sent
	counts := map[int]int{}
	for _, a := range raised {
		key := keyName(a.Key)
		if i, ok := last[key]; ok && d > 0 && a.At < sent[i].Alert.At+d {
			counts[i]++
			continue
		}
		last[key] = len(sent)
		sent = append(sent, Version{Alert: a, Number: 1})
	}
	first := len(sent)
	for i := range first {
		if counts[i] > 0 {
			sent = append(sent, Version{Alert: sent[i].Alert, Number: 2, Suppressed: counts[i]})
		}
	}
	return sent
}

func keyName(key []event.Value) string { return fmt.Sprint(key) }

// A said is an alert of an early rule, sent or suppressed by one that was.
type said struct {
	alert Alert
	sent  bool
	by    *said
}

// SentEarly returns the alerts that stand in the end of an early rule of `emit:
// first` with a suppression period, each with how many it suppresses. At every event the rule
// says what it would say if that were the last: of what is no longer valid the
// period ends, and what has no period to lie in is sent.
func (s *Setting) SentEarly(lines [][]byte) ([]Version, error) {
	o, events, err := s.trial(lines)
	if err != nil {
		return nil, err
	}
	book := map[string]*said{}
	var sent []*said // in the order in which they were sent
	for n := range events {
		sent = s.settle(book, sent, o.Alerts(events[:n+1], o.Covered(events)))
	}
	var out []Version
	for _, a := range sent {
		v := Version{Alert: a.alert, Number: 1}
		for _, b := range book {
			if b.by == a {
				v.Suppressed++
			}
		}
		out = append(out, v)
	}
	return out, nil
}

func (s *Setting) settle(book map[string]*said, sent []*said, raised []Alert) []*said {
	before := maps.Clone(book)
	clear(book)
	for _, a := range raised {
		name := nameOf(&a)
		if book[name] = before[name]; book[name] == nil {
			book[name] = &said{}
		}
		book[name].alert = a
	}
	sent = slices.DeleteFunc(sent, func(a *said) bool { return book[nameOf(&a.alert)] != a })
	for _, a := range raised {
		now := book[nameOf(&a)]
		if now.sent || now.by != nil && slices.Contains(sent, now.by) {
			continue
		}
		now.by = s.suppressor(sent, &a)
		if now.sent = now.by == nil; now.sent {
			sent = append(sent, now)
		}
	}
	return sent
}

// suppressor returns the alert in whose period another lies, the first sent
// one; nil where there is none.
func (s *Setting) suppressor(sent []*said, a *Alert) *said {
	d := s.Rule.Alert.Suppress.Microseconds()
	for _, by := range sent {
		if keyName(by.alert.Key) == keyName(a.Key) && by.alert.At <= a.At && a.At < by.alert.At+d {
			return by
		}
	}
	return nil
}

// nameOf tells the alerts of a rule of `emit: first` apart.
func nameOf(a *Alert) string { return fmt.Sprintf("%s %q", keyName(a.Key), a.Event.ID) }
