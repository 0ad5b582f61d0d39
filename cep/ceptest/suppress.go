package ceptest

import (
	"fmt"

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
