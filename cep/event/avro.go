package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrSchema says that an AvroDecoder was not told the schema that a record
// names. It is no fault of the record: whoever reads it finds the schema, tells
// the decoder, and tries again.
var ErrSchema = errors.New("the schema of the record was not told")

// Bounds of Avro.
const (
	avroHeader    = 5      // a zero byte and the schema's id, big-endian
	avroPlansMax  = 256    // schemas that a decoder remembers; past it it forgets all
	avroStepsMore = 10_000 // values of no bytes in a record
)

// An AvroDecoder turns the records of one stream into events, of the wire
// format of a Schema Registry: a zero byte, the id of the schema, the value. It
// reads the declared fields by their names and passes over the rest, whatever
// the schema's order. It keeps scratch space and belongs to one goroutine.
type AvroDecoder struct {
	view  view
	plan  plan
	plans map[uint32]avroPlan

	// Of the record at hand.
	b      []byte
	at     int
	steps  int // values still allowed
	values []avroValue

	texts   strings.Builder // of this event and of those before it
	scratch []byte          // a number as text
}

// An avroPlan is how records of one schema are read; without a root they are
// not, for the reason of fault.
type avroPlan struct {
	root  *avroNode
	fault *Fault
}

// An avroValue is what a record holds at a leaf.
type avroValue struct {
	node *avroNode // nil: nothing, or null
	n    int64     // a number, a boolean, the index of a symbol, or where an array begins
	x    float64
	b    []byte // text or bytes
}

// NewAvroDecoder returns the decoder of a stream, which knows no schema yet.
func NewAvroDecoder(d Decl) *AvroDecoder {
	a := &AvroDecoder{plan: newPlan(), plans: map[uint32]avroPlan{}}
	a.view = viewOf(&d, &a.plan)
	a.values = make([]avroValue, a.plan.leaves)
	return a
}

// Needs returns the id of the schema that Decode has to be told for this
// record; false where it needs none.
func (a *AvroDecoder) Needs(value []byte) (id uint32, needs bool) {
	if len(value) < avroHeader || value[0] != 0 {
		return 0, false
	}
	id = binary.BigEndian.Uint32(value[1:])
	_, told := a.plans[id]
	return id, !told
}

// Learn tells the schema of an id. A nil schema, or one that is no record, makes
// every record of the id a dead letter; problem says why a nil one is.
func (a *AvroDecoder) Learn(id uint32, s *AvroSchema, problem string) {
	if len(a.plans) >= avroPlansMax {
		clear(a.plans)
	}
	switch {
	case s == nil:
		a.plans[id] = avroPlan{fault: &Fault{BadSchema, "", fmt.Sprintf("schema %d: %s", id, problem)}}
	case s.Kind != AvroRecord && s.Kind != AvroUnion:
		a.plans[id] = avroPlan{fault: &Fault{BadSchema, "", fmt.Sprintf("schema %d is %s, want a record", id, s.Kind)}}
	default:
		c := avroCompiler{passed: map[*AvroSchema]*avroNode{}}
		a.plans[id] = avroPlan{root: c.node(s, &member{leaf: noLeaf, inside: &a.plan.root})}
	}
}

// Decode reads value into ev as Decoder.Decode does. The error is a *Fault,
// but for one that matches ErrSchema; both leave ev undefined.
func (a *AvroDecoder) Decode(value []byte, ev *Event) error {
	most := a.view.decl.maxBytes()
	switch {
	case value == nil:
		return &Fault{NullValue, "", "the record has no value"}
	case len(value) > most:
		return tooLarge(len(value), most)
	case len(value) < avroHeader || value[0] != 0:
		return &Fault{BadMagic, "", "the record does not begin with a zero byte and the id of a schema"}
	}
	id := binary.BigEndian.Uint32(value[1:])
	p, told := a.plans[id]
	if !told {
		return fmt.Errorf("schema %d: %w", id, ErrSchema)
	}
	fault := p.fault
	if fault == nil {
		fault = a.read(p.root, value, ev)
	}
	a.release()
	if fault != nil {
		return fault
	}
	return nil
}

func (a *AvroDecoder) read(root *avroNode, value []byte, ev *Event) *Fault {
	a.b, a.at, a.steps = value, avroHeader, len(value)+avroStepsMore
	clear(a.values)
	if fault := a.walk(root, 0); fault != nil {
		return fault
	}
	if a.at != len(a.b) {
		return a.bad("bytes are left over")
	}
	return a.project(ev)
}

// release lets go of the record, and of the space that a large one took.
func (a *AvroDecoder) release() {
	a.b = nil
	clear(a.values)
	if a.texts.Cap() > keptBytes {
		a.texts.Reset()
	}
}

func (a *AvroDecoder) bad(what string) *Fault {
	return &Fault{BadAvro, "", fmt.Sprintf("at byte %d: %s", a.at, what)}
}

// walk reads one value, and keeps it where it is wanted.
func (a *AvroDecoder) walk(n *avroNode, depth int) (fault *Fault) {
	switch a.steps--; {
	case a.steps < 0:
		return &Fault{TooManyFields, "", "the record has too many values without bytes"}
	case depth > DepthMax:
		return &Fault{TooDeep, "", fmt.Sprintf("nested deeper than %d", DepthMax)}
	}
	v := avroValue{node: n}
	switch n.schema.Kind {
	case AvroNull:
		return nil
	case AvroRecord:
		for _, part := range n.parts {
			if fault := a.walk(part, depth+1); fault != nil {
				return fault
			}
		}
	case AvroUnion:
		i, fault := a.long()
		if fault != nil {
			return fault
		}
		if i < 0 || i >= int64(len(n.parts)) {
			return a.bad("a union has no such branch")
		}
		return a.walk(n.parts[i], depth+1)
	case AvroArray, AvroMap:
		v.n = int64(a.at)
		fault = a.blocks(n, depth)
	default:
		fault = a.scalar(n.schema, &v)
	}
	if fault == nil && n.leaf != noLeaf {
		a.values[n.leaf] = v
	}
	return fault
}

func (a *AvroDecoder) scalar(s *AvroSchema, v *avroValue) (fault *Fault) {
	switch s.Kind {
	case AvroBoolean:
		var b []byte
		if b, fault = a.take(1); fault == nil {
			if v.n = int64(b[0]); v.n > 1 {
				fault = a.bad("a boolean is neither 0 nor 1")
			}
		}
	case AvroInt:
		if v.n, fault = a.long(); fault == nil && int64(int32(v.n)) != v.n {
			fault = a.bad("an int has more than 32 bits")
		}
	case AvroLong:
		v.n, fault = a.long()
	case AvroEnum:
		if v.n, fault = a.long(); fault == nil && (v.n < 0 || v.n >= int64(len(s.Symbols))) {
			fault = a.bad("an enum has no such symbol")
		}
	case AvroFloat:
		if v.b, fault = a.take(4); fault == nil {
			v.x = float64(math.Float32frombits(binary.LittleEndian.Uint32(v.b)))
		}
	case AvroDouble:
		if v.b, fault = a.take(8); fault == nil {
			v.x = math.Float64frombits(binary.LittleEndian.Uint64(v.b))
		}
	case AvroFixed:
		v.b, fault = a.take(int64(s.Size))
	default: // bytes, string
		var size int64
		if size, fault = a.long(); fault == nil {
			v.b, fault = a.take(size)
		}
	}
	return fault
}

// blocks passes over the items of an array or a map.
func (a *AvroDecoder) blocks(n *avroNode, depth int) *Fault {
	for {
		count, size, fault := a.block()
		switch {
		case fault != nil:
			return fault
		case count == 0:
			return nil
		case size >= 0 && n.leaf == noLeaf: // nobody looks inside
			if _, fault := a.take(size); fault != nil {
				return fault
			}
			continue
		}
		for range count {
			if n.schema.Kind == AvroMap {
				if fault := a.scalar(avroText, &avroValue{}); fault != nil {
					return fault
				}
			}
			if fault := a.walk(n.parts[0], depth+1); fault != nil {
				return fault
			}
		}
	}
}

var avroText = &AvroSchema{Kind: AvroString}

// block reads how many items follow, 0 at the end, and how many bytes they
// take, -1 where the block does not say.
func (a *AvroDecoder) block() (count, size int64, fault *Fault) {
	if count, fault = a.long(); fault != nil || count >= 0 {
		return count, -1, fault
	}
	if count == math.MinInt64 {
		return 0, 0, a.bad("a block has no such number of items")
	}
	size, fault = a.long()
	if fault == nil && size < 0 {
		fault = a.bad("a block has less than no bytes")
	}
	return -count, size, fault
}

// long reads a number of variable length.
func (a *AvroDecoder) long() (int64, *Fault) {
	x, n := binary.Varint(a.b[a.at:])
	if n <= 0 {
		return 0, a.bad("a number does not end")
	}
	a.at += n
	return x, nil
}

func (a *AvroDecoder) take(size int64) ([]byte, *Fault) {
	if size < 0 || size > int64(len(a.b)-a.at) {
		return nil, a.bad("a value is longer than the record")
	}
	b := a.b[a.at : a.at+int(size)]
	a.at += int(size)
	return b, nil
}
