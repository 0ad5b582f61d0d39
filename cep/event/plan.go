package event

import (
	"encoding/binary"
	"strings"
)

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
	recent  [recentMax]*member // by the beginning of the name, as recently says
}

// A member is a name within an object. Names that nobody wants are learned
// too, up to learnedMax, so that they are passed over at a glance.
type member struct {
	text   string  // the name in quotes and the colon; "" where a record would write it otherwise
	words  [2]word // its beginning
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

// recentMax is how many names an object has at hand: a power of two.
const (
	recentMax  = 1 << recentBits
	recentBits = 6
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
	m := &member{leaf: noLeaf}
	if !strings.ContainsAny(name, `"\`) {
		m.text = `"` + name + `":`
		m.words[0].take(m.text)
		m.words[1].take(m.text[min(len(m.text), wordBytes):])
	}
	o.members[name] = m
	return m
}

// A word is up to eight bytes that are compared at once.
type word struct {
	is   uint64
	mask uint64 // of the bytes that count
}

func (w *word) take(text string) {
	var is, mask [wordBytes]byte
	for i := range copy(is[:], text) {
		mask[i] = 0xff
	}
	w.is, w.mask = binary.LittleEndian.Uint64(is[:]), binary.LittleEndian.Uint64(mask[:])
}

// differs is zero where the first eight bytes of b are the word's.
func (w *word) differs(b []byte) uint64 { return (binary.LittleEndian.Uint64(b) ^ w.is) & w.mask }

// recently returns where the member is that b begins with, if it is one that
// came lately: it was there last that a name of the same beginning was found.
func (o *object) recently(b []byte) **member {
	if len(b) < wordBytes {
		return &o.recent[0]
	}
	w := wordAt(b, 0)
	end := marks(w)
	w &= end&-end>>7 - 1 // what comes before the first mark
	return &o.recent[w*spread>>(64-recentBits)]
}

// spread mixes all bytes of a word into its highest bits. (D. Knuth, "The Art
// of Computer Programming", volume 3, 6.4.)
const spread = 0x9e3779b97f4a7c15

// stands reports whether b begins with the member's text.
func (m *member) stands(b []byte) bool {
	if len(b) >= 2*wordBytes && len(m.text) <= 2*wordBytes {
		return m.words[0].differs(b)|m.words[1].differs(b[wordBytes:]) == 0
	}
	return len(b) >= len(m.text) && string(b[:len(m.text)]) == m.text
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
