package event

import "time"

// Event times are kept between these bounds, in µs. The lower one is a year
// after the epoch: present times read in a unit a thousand times too coarse or
// too fine fall outside, so a mixed-up unit is refused and not believed.
const (
	eventTimeMin = 365 * 24 * 3600 * 1_000_000
	instantMax   = 253_402_300_799_999_999 // 9999-12-31T23:59:59.999999Z
	instantMin   = -62_135_596_800_000_000 // 0001-01-01T00:00:00Z
)

// digitsToMicros is the scale at which a number in a unit counts µs.
func digitsToMicros(u TimeUnit) int {
	switch u {
	case Seconds:
		return 6
	case Millis:
		return 3
	case Nanos:
		return -3
	}
	return 0
}

// instantOf reads a number in unit u as µs, rounded down.
func instantOf(text []byte, u TimeUnit) (int64, Reason) {
	us, reason := exact(text, digitsToMicros(u), true)
	if reason == "" && (us < instantMin || us > instantMax) {
		return 0, NumberRange
	}
	return us, reason
}

// instantOfText reads an RFC 3339 time as µs, rounded down.
func instantOfText(s string) (int64, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, false
	}
	us := t.UnixMicro()
	return us, us >= instantMin && us <= instantMax
}
