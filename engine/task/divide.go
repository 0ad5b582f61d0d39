package task

import "slices"

// siftKeys is how many records of other tasks are noted before they are removed.
const siftKeys = 1 << 16

// Divide makes one of the tasks that take over from a task of a keyed log, which
// every source has left: each reads one partition of the log's next generation,
// from its beginning. cfg.State holds the state of the moment of the snapshot;
// what Config.Owns does not own leaves it. All else goes to each of them: what is
// held for the watermark, the ids seen, the watermarks. Exactly one of them is
// the first, which goes on with the totals.
func Divide(cfg Config, snapshot []byte, first bool) (*Task, error) {
	t, err := Restore(cfg, snapshot)
	if err != nil {
		return nil, err
	}
	t.pos, t.digest, t.said = Position{}, Digest{}, Entry{}
	for i := range t.sources {
		t.sources[i].left = false
	}
	for i := range t.streams {
		if st := &t.streams[i]; st.mark != unset {
			st.begun = st.mark
		}
	}
	if !first {
		t.counts = Counts{}
	}
	for _, g := range t.groups {
		for _, s := range g.slots {
			if !first {
				s.counts = RuleCounts{}
			}
			if s.cohort == nil {
				t.sift(s.id, 0)
			}
			if s.paged() {
				t.sift(s.id|pagesBit, pageNumberBytes)
			}
			if s.shown != nil {
				t.sift(s.id|pulseBit, 0)
			}
		}
		for _, c := range g.cohorts {
			t.sift(c.id, 0)
		}
		for _, h := range g.histories {
			t.sift(h.id, 0)
		}
	}
	for _, b := range t.books {
		t.sift(b.slot, 0)
	}
	t.timers++
	return t, t.finish()
}

// Repeat is Divide for the tasks of another log, to which every source writes again
// what it had written before the snapshot, from some place on: what the task has of
// it is passed over. Parts come again in another order than before: they go by their
// time, see Amid.
func Repeat(cfg Config, snapshot []byte, first bool) (*Task, error) {
	t, err := Divide(cfg, snapshot, first)
	if err != nil {
		return nil, err
	}
	for i := range t.sources {
		src := &t.sources[i]
		src.again = true
		if t.isOfParts(src.stream) {
			src.next = 0
		}
	}
	return t, nil
}

// Amid reports whether the task has parts of a first stage that are past what that one
// has said of its reach: more of their time may follow, and no Repeat could tell them
// from those that it has.
func (t *Task) Amid() bool {
	for _, g := range t.groups {
		for _, h := range g.held.all() {
			si := t.streamAt(h.ev.Schema.Stream)
			past := func(i int) bool {
				return t.sources[i].Partition == h.ev.Partition && t.sources[i].mark < h.time
			}
			if si >= 0 && t.isOfParts(si) && slices.ContainsFunc(t.streams[si].sources, past) {
				return true
			}
		}
	}
	return false
}

// isOfParts reports whether a stream is what a second stage of the task reads.
func (t *Task) isOfParts(stream int) bool {
	for _, g := range t.groups {
		if !slices.Contains(g.streams, stream) {
			continue
		}
		if slices.ContainsFunc(g.slots, func(s *slot) bool { return s.ref.Stage == Second }) {
			return true
		}
	}
	return false
}

// sift removes the records of a slot of the State that belong to other tasks.
// The last tail bytes of its keys are no part of a rule's key.
func (t *Task) sift(slot uint32, tail int) {
	for more := true; more; {
		var others [][]byte
		more = false
		t.cfg.State.Each(slot, func(key, _ []byte, _, _ int64) {
			switch {
			case len(key) >= tail && t.cfg.Owns(key[:len(key)-tail]):
			case len(others) == siftKeys:
				more = true
			default:
				others = append(others, slices.Clone(key))
			}
		})
		for _, key := range others {
			t.cfg.State.SetTimer(slot, key, 0)
			t.cfg.State.Put(slot, key, nil, Never)
		}
		more = more && t.cfg.State.Err() == nil
	}
}
