package rules

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// listTablesMax bounds the versions of lists that a registry keeps as tables.
const listTablesMax = 1_000

// list adds a version of a list. Entries were checked before it was stored.
func (c *compiler) list(set *Set, rev *Revision) {
	known := parsed(set, rev, c.lists, func(d *syntax.List) (l *List, problems []syntax.Problem) {
		l = &List{Doc: d, Decl: prog.ListDeclOf(d), Revision: rev.Revision}
		if d.Topic == "" {
			l.Table, problems = prog.TableOf(d, l.Decl, rev.Revision)
		}
		return l, problems
	})
	if known != nil {
		set.Lists = append(set.Lists, known)
	}
}

// shape is equal for versions of a list that rules cannot tell apart: the
// types, not the entries. That of no list is "".
func (l *List) shape() string {
	if l == nil {
		return ""
	}
	s := l.Decl.Key.String()
	for i := range l.Decl.Attributes {
		a := &l.Decl.Attributes[i]
		s += fmt.Sprintf(", %s %s(%d)", a.Name, a.Type, a.Scale)
	}
	return s
}

// shapesRead are the shapes of lists that are read.
func shapesRead(lists []string, set *Set) []string {
	var shapes []string
	for _, name := range lists {
		shapes = append(shapes, set.List(name).shape())
	}
	return shapes
}
