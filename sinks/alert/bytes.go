package alert

import "github.com/caltrop/caltrop/cep/event"

// bytes returns the length of the alert's JSON.
func (a *Alert) bytes() int {
	var room [1024]byte
	bare := *a
	bare.Evidence = nil
	n := len(bare.AppendJSON(room[:0]))
	for i, s := range a.Evidence {
		n += min(i, 1) + event.QuotedBytes(s.Name) + len(":[]") + max(0, len(s.Events)-1)
		for _, e := range s.Events {
			n += e.JSONBytes()
		}
	}
	return n
}
