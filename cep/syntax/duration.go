package syntax

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const durationHint = "durations are written with ms, s, m, h or d, also joined: 90s, 1h30m"

// MaxDuration bounds every duration of a document.
const MaxDuration = 3650 * 24 * time.Hour

// durationUnits are the units of language §3, longest first.
var durationUnits = []struct {
	text string
	unit time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// ParseDuration reads a duration of the language: whole numbers with the
// units d, h, m, s and ms, each at most once, longest first. An error says
// what is wrong in words for the author.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errors.New("it is empty")
	}
	var total time.Duration
	next := 0
	for rest := s; rest != ""; {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		rest = rest[len(number):]
		unit := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ"))]
		rest = rest[len(unit):]
		if strings.HasPrefix(s, "-") {
			return 0, fmt.Errorf("`%s` is negative", shortened(s))
		}
		if number == "" || (unit == "" && rest != "") {
			return 0, fmt.Errorf("`%s` is not one", shortened(s))
		}
		if unit == "" {
			return 0, fmt.Errorf("`%s` has no unit", shortened(s))
		}
		i := unitIndex(unit)
		if i < 0 {
			return 0, fmt.Errorf("there is no unit `%s`", shortened(unit))
		}
		if i < next {
			return 0, fmt.Errorf("in `%s` the longest unit does not come first", shortened(s))
		}
		next = i + 1
		n, err := strconv.ParseInt(number, 10, 64)
		d := time.Duration(n)
		if err != nil || d > MaxDuration/durationUnits[i].unit {
			return 0, errors.New("it is longer than 3650d")
		}
		if total += d * durationUnits[i].unit; total > MaxDuration {
			return 0, errors.New("it is longer than 3650d")
		}
	}
	return total, nil
}

func unitIndex(unit string) int {
	for i, u := range durationUnits {
		if u.text == unit {
			return i
		}
	}
	return -1
}

// FormatDuration writes a duration as ParseDuration reads it; parts below a
// millisecond are dropped.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for _, u := range durationUnits {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.text)
			d -= n * u.unit
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
