package bench

import (
	"math/rand/v2"
	"strconv"
)

// Traffic is seeded payments: what a suite's rules read. The same traffic and
// seed give the same lines on every machine.
type Traffic struct {
	Events  int
	Keys    int
	Probes  int // in a thousand events: declined, below 5
	Large   int // in a thousand events: approved, above 500
	Spacing int // µs between events; 0 means 1000
	Hot     int // in a hundred events: of one key; 0 means that all keys are alike
	Streams bool
}

const (
	seed      = 20261121
	startMs   = 1_700_000_000_000
	spacingUs = 1000
	shops     = 500
	fields    = 20 // f0 to f19, of which each event has one
)

// Lines returns the source of the traffic.
func (t Traffic) Lines() Source {
	if t.Spacing == 0 {
		t.Spacing = spacingUs
	}
	return &stream{Traffic: t, rng: rand.New(rand.NewPCG(seed, uint64(t.Keys)))}
}

// Few returns the events of the first keys only, about n over the whole time:
// what the oracle can judge.
func (t Traffic) Few(n int) Source {
	return &few{stream: t.Lines().(*stream), keys: max(1, t.Keys*n/max(t.Events, 1)), left: n}
}

type few struct {
	*stream
	keys int
	left int
}

// Next implements Source.
func (f *few) Next(buf []byte) ([]byte, bool, error) {
	for f.left > 0 {
		line, more, err := f.stream.Next(buf)
		if !more || err != nil {
			return buf, false, err
		}
		if f.last < f.keys {
			f.left--
			return line, true, nil
		}
	}
	return buf, false, nil
}

// A Source gives lines, one event each.
type Source interface {
	// Next appends the next line to buf; false at the end.
	Next(buf []byte) ([]byte, bool, error)
	// Line is the number of the last line, from 1.
	Line() int
}

// A stream is traffic being written.
type stream struct {
	Traffic
	rng *rand.Rand
	n   int
	// last is the key of the last line.
	last int
}

// Next implements Source. It makes no garbage, which would be collected while
// events are measured.
func (s *stream) Next(b []byte) ([]byte, bool, error) {
	if s.n == s.Events {
		return b, false, nil
	}
	b = append(b, `{"stream":"`...)
	b = append(b, s.name()...)
	b = append(b, `","event_id":"e`...)
	b = strconv.AppendInt(b, int64(s.n), 10)
	b = append(b, `","ts":`...)
	b = strconv.AppendInt(b, startMs*1000+int64(s.n)*int64(s.Spacing), 10)
	b = append(b, `,"card_id":"c`...)
	s.last = s.key()
	b = strconv.AppendInt(b, int64(s.last), 10)
	b = s.amount(b)
	b = strconv.AppendInt(append(b, `,"merchant_id":"m`...), int64(s.rng.IntN(shops)), 10)
	b = strconv.AppendInt(append(b, `","country":"BR","lat":`...), int64(s.rng.IntN(120)-60), 10)
	b = strconv.AppendInt(append(b, `.5,"lon":`...), int64(s.rng.IntN(300)-150), 10)
	b = strconv.AppendInt(append(b, `.25,"f`...), int64(s.rng.IntN(fields)), 10)
	b = strconv.AppendInt(append(b, `":"v`...), int64(s.rng.IntN(10)), 10)
	b = append(b, `","channel":"web","currency":"EUR"}`...)
	s.n++
	return b, true, nil
}

// Line implements Source.
func (s *stream) Line() int { return s.n }

func (s *stream) name() string {
	if !s.Streams {
		return "payment"
	}
	return [...]string{"login", "payment", "transfer"}[s.rng.IntN(3)]
}

func (s *stream) key() int {
	if s.Hot > 0 && s.rng.IntN(100) < s.Hot {
		return 0
	}
	return s.rng.IntN(s.Keys)
}

func (s *stream) amount(b []byte) []byte {
	amount, status := 6+s.rng.Float64()*400, "approved"
	switch x := s.rng.IntN(1000); {
	case x < s.Probes:
		amount, status = 0.5+s.rng.Float64()*4, "declined"
	case x < s.Probes+s.Large:
		amount = 501 + s.rng.Float64()*1500
	}
	b = append(b, `","amount":`...)
	b = strconv.AppendFloat(b, amount, 'f', 2, 64)
	b = append(b, `,"status":"`...)
	return append(append(b, status...), '"')
}
