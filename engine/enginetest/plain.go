package enginetest

import (
	"bytes"
	"maps"
	"math"

	"github.com/caltrop/caltrop/engine/task"
)

// A plain State is a task.State of maps: the simplest there is, and quick to
// copy. It forgets a record as soon as it may.
type plain struct {
	wheels  map[uint32]uint32 // by slot
	records map[plainKey]plainRecord
	timers  map[plainKey]int64
}

type plainKey struct {
	slot uint32
	key  string
}

type plainRecord struct {
	value []byte // clones share it: Edit makes a copy
	dies  int64
}

var _ task.State = (*plain)(nil)

func newPlain() *plain {
	return &plain{wheels: map[uint32]uint32{}, records: map[plainKey]plainRecord{}, timers: map[plainKey]int64{}}
}

func (p *plain) clone() *plain {
	return &plain{wheels: maps.Clone(p.wheels), records: maps.Clone(p.records), timers: maps.Clone(p.timers)}
}

// Open implements task.State.
func (p *plain) Open(s task.Slot) { p.wheels[s.ID] = s.Wheel }

// Get implements task.State.
func (p *plain) Get(slot uint32, key []byte) []byte {
	return bytes.Clone(p.records[plainKey{slot, string(key)}].value)
}

// Edit implements task.State.
func (p *plain) Edit(slot uint32, key []byte, dies int64) []byte {
	value := p.Get(slot, key)
	if value != nil {
		p.records[plainKey{slot, string(key)}] = plainRecord{value, dies}
	}
	return value
}

// Put implements task.State.
func (p *plain) Put(slot uint32, key, value []byte, dies int64) {
	if len(value) == 0 {
		delete(p.records, plainKey{slot, string(key)})
		return
	}
	p.records[plainKey{slot, string(key)}] = plainRecord{bytes.Clone(value), dies}
}

// SetTimer implements task.State.
func (p *plain) SetTimer(slot uint32, key []byte, at int64) {
	if at == 0 {
		delete(p.timers, plainKey{slot, string(key)})
		return
	}
	p.timers[plainKey{slot, string(key)}] = at
}

// Earliest implements task.State.
func (p *plain) Earliest(wheel uint32) (first int64, ok bool) {
	first = math.MaxInt64
	for k, at := range p.timers {
		if p.wheels[k.slot] == wheel {
			first, ok = min(first, at), true
		}
	}
	return first, ok
}

// Take implements task.State.
func (p *plain) Take(wheel uint32, at int64, buf []task.Timer) []task.Timer {
	for k, t := range p.timers {
		if p.wheels[k.slot] == wheel && t == at {
			buf = append(buf, task.Timer{Slot: k.slot, Key: k.key})
			delete(p.timers, k)
		}
	}
	return buf
}

// Passed implements task.State.
func (p *plain) Passed(wheel uint32, watermark int64) {
	for k, r := range p.records {
		if _, timed := p.timers[k]; !timed && p.wheels[k.slot] == wheel && r.dies <= watermark {
			delete(p.records, k)
		}
	}
}

// Each implements task.State.
func (p *plain) Each(slot uint32, visit func(key, value []byte, dies, timer int64)) {
	for k, r := range p.records {
		if k.slot == slot {
			visit([]byte(k.key), r.value, r.dies, p.timers[k])
		}
	}
	for k, at := range p.timers {
		if _, has := p.records[k]; k.slot == slot && !has {
			visit([]byte(k.key), nil, task.Never, at)
		}
	}
}

// Drop implements task.State.
func (p *plain) Drop(slot uint32) {
	maps.DeleteFunc(p.records, func(k plainKey, _ plainRecord) bool { return k.slot == slot })
	maps.DeleteFunc(p.timers, func(k plainKey, _ int64) bool { return k.slot == slot })
}

// Err implements task.State.
func (p *plain) Err() error { return nil }
