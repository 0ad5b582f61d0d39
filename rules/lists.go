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
	l := c.lists[rev.Ref]
	if l == nil {
		doc, problems := single[*syntax.List](rev)
		if doc == nil {
			set.Faults = append(set.Faults, Fault{rev.Ref, problems})
			return
		}
		l = &List{Doc: doc, Decl: prog.ListDeclOf(doc), Revision: rev.Revision}
		if doc.Topic == "" {
			l.Table, problems = prog.TableOf(doc, l.Decl, rev.Revision)
		}
		if len(problems) > 0 {
			set.Faults = append(set.Faults, Fault{rev.Ref, problems})
			return
		}
		c.lists[rev.Ref] = l
	}
	set.Lists = append(set.Lists, l)
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
