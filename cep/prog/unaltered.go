package prog

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// Unaltered reports whether a rule means the same over two revisions of its
// streams: what the one remembers, the other can go on with. Both are compiled of
// one document. now is over the same revisions as was, or over later ones; each
// field that the rule reads, or is keyed by, is declared alike in both.
func Unaltered(was, now *Rule) bool {
	return was.Early == now.Early && slices.EqualFunc(was.Profiles, now.Profiles, unalteredProfile) &&
		slices.EqualFunc(was.Streams, now.Streams, follows) && sameReads(was.reads(), now.reads(), was.Streams, now.Streams)
}

func unalteredProfile(was, now *Profile) bool {
	return was.Name == now.Name && follows(was.Stream, now.Stream) &&
		sameReads(was.reads(), now.reads(), []*event.Schema{was.Stream}, []*event.Schema{now.Stream})
}

func follows(was, now *event.Schema) bool { return now.Follows(was) }

// reads lists the fields that the rule reads or is keyed by, those of its profiles
// apart.
func (r *Rule) reads() []expr.FieldOf {
	all := slices.Clone(r.Outside.Fields)
	for i, s := range r.Streams {
		for _, role := range r.Keys[i].Roles {
			all = append(all, keyReads(s, role)...)
		}
	}
	return all
}

func (p *Profile) reads() []expr.FieldOf {
	return append(slices.Clone(p.Outside.Fields), keyReads(p.Stream, p.Key)...)
}

func keyReads(s *event.Schema, key []int) []expr.FieldOf {
	var all []expr.FieldOf
	for _, at := range key {
		all = append(all, expr.FieldOf{Stream: s.Stream, Field: s.Fields[at].Name})
	}
	return all
}

// sameReads reports whether the same fields are read, and each is declared alike.
func sameReads(was, now []expr.FieldOf, before, after []*event.Schema) bool {
	for _, f := range now {
		if !slices.Contains(was, f) {
			return false
		}
	}
	for _, f := range was {
		if !slices.Contains(now, f) {
			return false
		}
		for i, s := range before {
			if (f.Stream == "" || f.Stream == s.Stream) && !alike(s, after[i], f.Field) {
				return false
			}
		}
	}
	return true
}

// alike reports whether a field is declared alike in two schemas, or in neither.
func alike(was, now *event.Schema, field string) bool {
	a, b := was.Index(field), now.Index(field)
	if a < 0 || b < 0 {
		return a == b
	}
	one, other := &was.Fields[a], &now.Fields[b]
	return one.Alike(other) && one.Optional == other.Optional && slices.Equal(one.Path, other.Path)
}

// Sees reports whether the rule finds in events of another revision of a stream
// of its own each field that it reads.
func (r *Rule) Sees(schema *event.Schema) bool {
	for _, f := range r.reads() {
		if f.Stream != "" && f.Stream != schema.Stream {
			continue
		}
		for _, s := range r.Streams {
			if at := s.Index(f.Field); s.Stream == schema.Stream && at >= 0 {
				from := schema.Index(f.Field)
				if from < 0 || !schema.Fields[from].Alike(&s.Fields[at]) {
					return false
				}
			}
		}
	}
	return true
}
