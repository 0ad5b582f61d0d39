package fraudgen

import (
	"fmt"
	"strconv"
)

// A Record is one event as a producer would send it. Its memory belongs to the
// generator and is reused by the next call.
type Record struct {
	Stream    string
	Key       string // value of the stream's partition key
	ID        string
	Time      int64  // event time, ms since the Unix epoch
	Arrival   int64  // when it arrives, ms: not before Time, and never less than the record's before
	Partition int32  // of closing records; -1: by Key
	Value     []byte // a JSON object without the stream's name
}

// AppendLine appends the record as one line that names its stream, the form
// that `caltrop match` reads, with its newline.
func (r *Record) AppendLine(dst []byte) []byte {
	dst = append(append(append(dst, `{"stream":"`...), r.Stream...), '"', ',')
	return append(append(dst, r.Value[1:]...), '\n')
}

// A draft is an event that is planned: numbers that become JSON when it
// leaves.
type draft struct {
	due  int64  // when the queue it is in gives it back, ms
	seq  uint64 // tie-break, and the number in its id
	at   int64  // event time, ms
	who  uint64 // number of the card, user or order
	kind kind
	ring bool // duplicate of an earlier event

	status   string
	cents    int64
	merchant uint32
	device   uint64
	city     int
	near     uint16 // place within the city
	fleet    bool
	owned    bool   // names its card's owner and issuer
	more     string // further members of the JSON object, each after a comma
	incident *Incident
}

// appendNumber writes n with at least width digits.
func appendNumber(dst []byte, n uint64, width int) []byte {
	var tmp [20]byte
	digits := strconv.AppendUint(tmp[:0], n, 10)
	for i := len(digits); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendValue writes the JSON of a draft.
func appendValue(b []byte, d *draft, all *[cityCount]city) []byte {
	b = appendID(append(b, `{"event_id":"`...), d.kind, d.seq)
	b = strconv.AppendInt(append(b, `","ts":`...), d.at, 10)
	b = append(append(append(b, `,"`...), d.kind.keyField()...), `":"`...)
	b = append(appendKey(b, d.kind, d.who), '"')
	switch d.kind {
	case payment:
		b = appendCents(append(b, `,"amount":`...), d.cents)
		b = appendStatus(b, d.status)
		b = appendNumber(append(b, `,"merchant_id":"m-`...), uint64(d.merchant), 4)
		b = append(append(b, `","country":"`...), all[d.city].country...)
		b = appendNumber(append(b, `","device_id":"d-`...), d.device, 7)
		b = append(b, `","segment":"`...)
		b = append(append(b, segment(d.fleet)...), '"')
		if d.owned {
			b = appendOwner(b, d.who)
		}
	case challenge:
		b = append(append(b, `,"result":"`...), d.status...)
		b = append(b, '"')
	case login:
		b = appendStatus(b, d.status)
		b = append(append(b, `,"country":"`...), all[d.city].country...)
		b = appendNumber(append(b, `","device_id":"d-`...), d.device, 7)
		b = appendPlace(append(b, `","lat":`...), all[d.city].lat, d.near>>8)
		b = appendPlace(append(b, `,"lon":`...), all[d.city].lon, d.near&0xff)
	case order:
		b = appendStatus(b, d.status)
		b = appendCents(append(b, `,"amount":`...), d.cents)
	}
	return append(append(b, d.more...), '}')
}

// issuers is the number of banks that issue cards.
const issuers = 50

// appendOwner writes whose a card is, and of which bank.
func appendOwner(b []byte, card uint64) []byte {
	b = appendNumber(append(b, `,"user_id":"u-`...), card, 7)
	b = appendNumber(append(b, `","bin":"b-`...), card%issuers, 2)
	return append(b, '"')
}

func segment(fleet bool) string {
	if fleet {
		return "fleet"
	}
	return "retail"
}

func appendStatus(b []byte, status string) []byte {
	return append(append(append(b, `,"status":"`...), status...), '"')
}

func appendCents(b []byte, cents int64) []byte {
	b = append(strconv.AppendInt(b, cents/100, 10), '.')
	return append(b, byte('0'+cents%100/10), byte('0'+cents%10))
}

// placeStep is the grid of places within a city, in degrees: 256 of them span
// about 28 km.
const placeStep = 0.001

func appendPlace(b []byte, degrees float64, step uint16) []byte {
	return strconv.AppendFloat(b, degrees+float64(step)*placeStep, 'f', 3, 64)
}

// An Incident is the label of one injected fraud: what an engine should find.
type Incident struct {
	ID       string   `json:"incident_id"`
	Scenario string   `json:"scenario"`
	Key      string   `json:"key"`
	Events   []string `json:"event_ids"`
	First    int64    `json:"first_ts"` // ms
	Last     int64    `json:"last_ts"`  // ms
	Decisive string   `json:"decisive_event_id"`
	AtRisk   float64  `json:"amount_at_risk"`

	pending int // events not yet returned
}

func incidentID(n int) string { return fmt.Sprintf("i-%06d", n) }
