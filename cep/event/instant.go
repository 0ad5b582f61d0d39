package event

import (
	"strings"
	"time"
)

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
func instantOfText(b []byte) (int64, bool) {
	if us, ok := plainInstant(b); ok {
		return us, us >= instantMin
	}
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(string(b))) // T and Z may be small
	if err != nil {
		return 0, false
	}
	us := t.UnixMicro()
	return us, us >= instantMin && us <= instantMax
}

// Where the parts of 2006-01-02T15:04:05 stand.
const (
	fractionAt   = len("2006-01-02T15:04:05")
	instantBytes = len("2006-01-02T15:04:05.999999999Z")
)

// plainInstant reads the usual form of a time, in UTC and with at most nine
// digits after the point. It refuses any other.
func plainInstant(b []byte) (int64, bool) {
	n := len(b) - 1
	if n < fractionAt || n >= instantBytes || b[n] != 'Z' || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	year, month, day := twoDigits(b, 0)*100+twoDigits(b, 2), twoDigits(b, 5), twoDigits(b, 8)
	hour, minute, second := twoDigits(b, 11), twoDigits(b, 14), twoDigits(b, 17)
	nanos, ok := nanosOf(b[fractionAt:n])
	// A part that is not two digits is below zero by more than the others can
	// make up for.
	if !ok || year < 1 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	return t.UnixMicro(), t.Day() == day
}

func twoDigits(b []byte, i int) int {
	high, low := b[i]-'0', b[i+1]-'0'
	if high > 9 || low > 9 {
		return -1_000_000
	}
	return int(high)*10 + int(low)
}

// nanosOf reads the digits of a second behind the point, and the point; none
// is zero.
func nanosOf(b []byte) (nanos int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) == 1 {
		return 0, false
	}
	for i := 1; i < 10; i++ {
		nanos *= 10
		if i < len(b) {
			if b[i]-'0' > 9 {
				return 0, false
			}
			nanos += int(b[i] - '0')
		}
	}
	return nanos, true
}
