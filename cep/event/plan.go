package event

import "strings"

// A plan is what a scanner looks for in records: the wanted paths as a tree of
// objects, each end of a path a leaf. A scanner learns from each record in
// which order members come, which changes how fast the next one is read and
// never what is found. A plan belongs to one goroutine.
type plan struct {
	root   object
	leaves int
	record uint64 // counts the records scanned
}

// An object is one whose members are wanted.
type object struct {
	members map[string]*member // by name
	first   *member            // the one that came first last time
	other   member             // stands for a name that is not learned
	learned int
}

// A member is a name within an object. Names that nobody wants are learned
// too, up to learnedMax, so that they are passed over at a glance.
type member struct {
	text   string  // the name and the quote that ends it; "" where a record would write it otherwise
	leaf   int     // where its value goes, or noLeaf
	inside *object // what is wanted of its members; nil: nothing
	next   *member // the one that came after it last time
	record uint64  // the last one that had it: there the first one counts
}

const noLeaf = -1

// What an object learns of names that nobody wants.
const (
	learnedMax      = 256 // names
	learnedBytesMax = 64  // of a name
)

func newObject() object {
	return object{members: map[string]*member{}, other: member{leaf: noLeaf}}
}

func newPlan() plan { return plan{root: newObject()} }

// want adds a path, which must not be empty, and returns its leaf.
func (p *plan) want(path []string) int {
	o := &p.root
	for {
		m := o.members[path[0]]
		if m == nil {
			m = o.add(path[0])
		}
		if path = path[1:]; len(path) == 0 {
			if m.leaf == noLeaf {
				m.leaf = p.leaves
				p.leaves++
			}
			return m.leaf
		}
		if m.inside == nil {
			inside := newObject()
			m.inside = &inside
		}
		o = m.inside
	}
}

func (o *object) add(name string) *member {
	m := &member{text: name + `"`, leaf: noLeaf}
	if strings.ContainsAny(name, `"\`) {
		m.text = ""
	}
	o.members[name] = m
	return m
}

// learn returns the member of a name as it stands in a record, without
// escapes.
func (o *object) learn(name []byte) *member {
	if m := o.members[string(name)]; m != nil {
		return m
	}
	if o.learned == learnedMax || len(name) > learnedBytesMax {
		return &o.other
	}
	o.learned++
	return o.add(string(name))
}
