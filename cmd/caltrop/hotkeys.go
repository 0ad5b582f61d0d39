package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/rules"
)

// HotKeys returns the hot keys of this process's tasks, the hottest first.
func (j jobs) HotKeys(context.Context) ([]api.HotKey, error) {
	var hot []api.HotKey
	set := j.node.registry.Current()
	status := j.node.engine.Status()
	for _, t := range status.Tasks {
		for _, k := range t.Hot {
			hot = append(hot, api.HotKey{Stream: k.Stream, Partition: t.ID.Partition, Key: k.Key, Share: k.Share, Over: k.Over, Advice: hotAdvice(set, k.Stream, k.Key)})
		}
	}
	slices.SortFunc(hot, func(a, b api.HotKey) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Key, b.Key))
	})
	return hot, nil
}

// placeholders are keys that stand for none.
var placeholders = []string{"", "0", "-1", "null", "none", "nil", "unknown", "undefined", "n/a", "na", "test", "anonymous", "00000000-0000-0000-0000-000000000000"}

// hotAdvice says what to do about a hot key of a stream, by the live rules that
// read the stream.
func hotAdvice(set *rules.Set, stream, key string) string {
	if slices.Contains(placeholders, strings.ToLower(key)) {
		return "the key looks like a placeholder: mend the producer, or leave such events out of the rules"
	}
	var salted, spread, bound []string
	for _, r := range set.Restrict(stream).Rules {
		switch w := r.Doc.Window; {
		case r.Doc.Salts > 0:
		case w != nil && (w.Kind == "tumbling" || w.Kind == "sliding"):
			spread = append(spread, r.Doc.Name)
		default:
			bound = append(bound, r.Doc.Name)
		}
	}
	for _, r := range set.AtWork() {
		if r.Doc.Salts > 0 && slices.ContainsFunc(r.Prog.Streams, func(s *event.Schema) bool { return s.Stream == stream }) {
			salted = append(salted, r.Doc.Name)
		}
	}
	var advice []string
	if len(spread) > 0 {
		advice = append(advice, "write hot_keys: {salts: 8} in "+strings.Join(spread, ", "))
	}
	if len(bound) > 0 {
		advice = append(advice, fmt.Sprintf("leave the key out of %s by a list, or key them by something finer: they cannot be spread", strings.Join(bound, ", ")))
	}
	if len(salted) > 0 {
		advice = append(advice, strings.Join(salted, ", ")+" have salts already")
	}
	if len(advice) == 0 {
		return "no live rule reads the stream"
	}
	return strings.Join(advice, "; ")
}
