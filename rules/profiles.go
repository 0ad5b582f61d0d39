package rules

import (
	"slices"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A profileOver is a compiled profile revision, with what it was compiled
// over besides its own text.
type profileOver struct {
	doc     *syntax.Profile
	stream  *Stream
	read    []string // shapes of the lists that it reads
	profile *Profile // nil before the first
}

// profile adds a revision of a profile. It is compiled again only when its
// stream, or the shape of a list that it reads, is another.
func (c *compiler) profile(set *Set, env *prog.Env, rev *Revision) {
	known := parsed(set, rev, c.profiles, func(d *syntax.Profile) (*profileOver, []syntax.Problem) {
		return &profileOver{doc: d}, nil
	})
	if known == nil {
		return
	}
	stream := set.Stream(known.doc.Stream.Name)
	if known.profile == nil || known.stream != stream || !slices.Equal(known.read, shapesRead(known.profile.Prog.Outside.Lists, set)) {
		compiled, problems := prog.CompileProfile(known.doc, env)
		if compiled == nil {
			set.Faults = append(set.Faults, Fault{rev.Ref, problems})
			return
		}
		known.profile = &Profile{Doc: known.doc, Prog: compiled, Revision: rev.Revision}
		known.stream, known.read = stream, shapesRead(compiled.Outside.Lists, set)
	}
	set.Profiles = append(set.Profiles, known.profile)
	env.Profiles[known.doc.Name] = known.profile.Prog
}

// profilesRead are the profiles of the set that a compiled rule reads.
func profilesRead(p *prog.Rule, set *Set) []*Profile {
	var read []*Profile
	for _, name := range p.Outside.Profiles {
		read = append(read, set.Profile(name))
	}
	return read
}

// recallersOf names the rules that read a profile.
func (s *Set) recallersOf(profile string) []string {
	var names []string
	for _, r := range s.AtWork() {
		if slices.Contains(r.Prog.Outside.Profiles, profile) {
			names = with(names, r.Doc.Name)
		}
	}
	return names
}

// checkProfile refuses a profile too many, and a change that live documents cannot
// go along with.
func (s *state) checkProfile(c Change, p *Profile, file *syntax.File) error {
	was := s.set.Profile(p.Doc.Name)
	if was == nil && len(s.set.Profiles) >= DocumentsMax {
		return placed(full("profiles", len(s.set.Profiles), DocumentsMax), file)
	}
	if was == nil {
		return nil
	}
	return s.compiles(c, p.Doc.Pos, file)
}

// profilesOver names the profiles that are made of a stream.
func (s *Set) profilesOver(stream string) []string {
	var names []string
	for _, p := range s.Profiles {
		if p.Doc.Stream.Name == stream {
			names = append(names, p.Doc.Name)
		}
	}
	return names
}

// profilesReading names the profiles that read a list.
func (s *Set) profilesReading(list string) []string {
	var names []string
	for _, p := range s.Profiles {
		if slices.Contains(p.Prog.Outside.Lists, list) {
			names = append(names, p.Doc.Name)
		}
	}
	return names
}
