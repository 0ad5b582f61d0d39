package alert

import (
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/caltrop/caltrop/cep/event"
)

// AppendJSON appends the alert as the JSON object of language §7, members in
// that order, without a newline. `detected_at` is left out when 0,
// `approximate` when false; every other member is always there.
func (a *Alert) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"id":"`...)
	dst = hex.AppendEncode(dst, a.ID[:])
	dst = strconv.AppendInt(append(dst, `","version":`...), int64(a.Version), 10)
	dst = event.AppendQuoted(append(dst, `,"status":`...), string(a.Status))
	dst = event.AppendQuoted(append(dst, `,"rule":`...), a.Rule)
	dst = strconv.AppendInt(append(dst, `,"revision":`...), int64(a.Revision), 10)
	dst = event.AppendQuoted(append(dst, `,"mode":`...), a.Mode)
	dst = event.AppendKeyJSON(append(dst, `,"key":`...), a.Key, a.KeyList)
	dst = event.AppendQuoted(append(dst, `,"severity":`...), a.Severity)
	dst = strconv.AppendInt(append(dst, `,"score":`...), int64(a.Score), 10)
	dst = appendTime(dst, "at", a.At)
	dst = appendTime(dst, "final_after", a.FinalAfter)
	if a.DetectedAt != 0 {
		dst = appendTime(dst, "detected_at", a.DetectedAt)
	}
	dst = event.AppendQuoted(append(dst, `,"summary":`...), a.Summary)
	dst = a.appendMeasures(append(dst, `,"measures":`...))
	dst = a.appendEvidence(append(dst, `,"evidence":`...))
	dst = strconv.AppendInt(append(dst, `,"suppressed":`...), int64(a.Suppressed), 10)
	dst = strconv.AppendBool(append(dst, `,"truncated":`...), a.Truncated)
	dst = strconv.AppendBool(append(dst, `,"capped":`...), a.Capped)
	if a.Approx {
		dst = append(dst, `,"approximate":true`...)
	}
	dst = a.appendLists(append(dst, `,"lists":`...))
	return append(dst, '}')
}

// KeyText returns the key as the alerts topic and the histories use it: the
// scalar's text, or the JSON array of a composite key.
func (a *Alert) KeyText() string { return event.KeyText(a.Key, a.KeyList) }

func (a *Alert) appendMeasures(dst []byte) []byte {
	dst = append(dst, '{')
	for i, m := range a.Measures {
		dst = appendMember(dst, i, m.Name)
		dst = m.Value.AppendJSON(dst)
	}
	return append(dst, '}')
}

func (a *Alert) appendEvidence(dst []byte) []byte {
	dst = append(dst, '{')
	for i, s := range a.Evidence {
		dst = append(appendMember(dst, i, s.Name), '[')
		for j, e := range s.Events {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = e.AppendJSON(dst)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (a *Alert) appendLists(dst []byte) []byte {
	names := make([]string, 0, len(a.Lists))
	for name := range a.Lists {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		dst = strconv.AppendInt(appendMember(dst, i, name), int64(a.Lists[name]), 10)
	}
	return append(dst, '}')
}

// appendMember begins member i of an object: the comma, the name, the colon.
func appendMember(dst []byte, i int, name string) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return append(event.AppendQuoted(dst, name), ':')
}

func appendTime(dst []byte, name string, us int64) []byte {
	dst = append(append(append(dst, ',', '"'), name...), '"', ':', '"')
	return append(event.AppendTime(dst, us), '"')
}
