package early

// Lift notes what an event that was added lifts (match.Bounded).
func (v *View) Lift(lifts uint8, at int64) {
	if lifts == 0 {
		return
	}
	v.lifted, v.calm = max(v.lifted, at), 0
	v.lifts |= lifts
}

// Lifts returns what the events held lift, or more.
func (v *View) Lifts() uint8 {
	if v.lifts != 0 && v.items[v.head].Event.Time > v.lifted {
		v.lifts, v.lifted = 0, 0
	}
	return v.lifts
}

// Calmed notes that the events held raise nothing, nor do so many more that lift
// nothing.
func (v *View) Calmed(more int) { v.calm = more + 1 }

// Calm reports whether that holds yet.
func (v *View) Calm() bool { return v.calm > 0 }
