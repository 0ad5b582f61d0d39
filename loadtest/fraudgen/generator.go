package fraudgen

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// A Generator returns records in the order of their arrival. It belongs to
// one goroutine.
type Generator struct {
	opts   Options
	rng    *rand.Rand
	cities [cityCount]city
	cards  zipf
	users  zipf
	fleet  uint64  // cards below this number belong to fleets
	clock  float64 // event time of the next piece of ordinary life, ms
	step   float64 // mean time between two, ms
	chance float64 // that one is an incident, and that it is a hard negative

	guilty   []func(at int64) // plan an incident
	innocent []func(at int64) // plan a hard negative
	wide     bool             // life goes on in more streams than Streams()
	roomy    int              // events that the largest of them may plan

	planned  queue // by event time
	arriving queue // by arrival
	drafted  int   // events planned so far
	seq      uint64
	orders   uint64
	fresh    uint64 // people of incidents so far
	elders   uint64 // customers whose age matters so far
	labelled int
	last     int64 // greatest event time returned
	value    []byte
}

// The mix of ordinary life: shares of the things people do, the rest being
// payments, and the events that one order becomes.
const (
	challengeShare = 0.05
	loginShare     = 0.17
	orderShare     = 0.08
	orderEvents    = 4
	incidentEvents = 7    // on average
	declineShare   = 0.02 // of retail payments
	fleetPayments  = 0.5  // a card expected to pay more often in fleetSpan belongs to a fleet
	fleetSpan      = 600  // s
)

// New returns a generator, or an error that says all that is wrong with the
// options.
func New(o Options) (*Generator, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("checking the generator's options: %w", err)
	}
	g := &Generator{
		opts: o, rng: rand.New(rand.NewPCG(o.Seed, mix(o.Seed+o.After))), cities: cities(),
		seq: o.After, orders: o.After,
		cards: zipf{float64(o.Cards), o.Skew}, users: zipf{float64(o.Cards / 2), o.Skew},
		clock: float64(o.Start.UnixMilli()),
	}
	perSlot := 1 + orderShare*(orderEvents-1)
	if o.Incidents > 0 {
		g.chance = o.Incidents * perSlot
		perSlot += 2 * g.chance * (incidentEvents - 1)
	}
	g.step = perSlot / o.Rate * 1000
	payments := o.Rate / perSlot * (1 - challengeShare - loginShare - orderShare)
	g.fleet = g.cards.busier(fleetPayments / (payments * fleetSpan))
	g.cast()
	return g, nil
}

// Next fills rec with the next record; false means that all have been
// returned. What rec holds is valid until the next call.
func (g *Generator) Next(rec *Record) bool {
	for g.arriving.len() == 0 || g.arriving.next() > g.ahead() {
		if !g.advance() {
			break
		}
	}
	if g.arriving.len() == 0 {
		return false
	}
	d := g.arriving.pop()
	g.last = max(g.last, d.at)
	g.fill(rec, &d)
	g.settle(&d)
	return true
}

// ahead is the earliest event time that is still to come.
func (g *Generator) ahead() int64 {
	t := int64(math.MaxInt64)
	if g.planned.len() > 0 {
		t = g.planned.next()
	}
	if g.living() {
		t = min(t, int64(g.clock))
	}
	return t
}

// living reports whether ordinary life goes on: it ends when all events asked
// for are planned.
func (g *Generator) living() bool {
	return g.opts.Count == Endless || g.drafted < g.opts.Count
}

// advance moves one event to the arrivals, or one piece of life to the plan.
func (g *Generator) advance() bool {
	switch {
	case g.living() && (g.planned.len() == 0 || int64(g.clock) < g.planned.next()):
		at := int64(g.clock)
		g.clock += g.step * (0.5 + g.rng.Float64())
		g.live(at)
	case g.planned.len() > 0:
		g.arrive(g.planned.pop())
	default:
		return false
	}
	return true
}

// arrive decides when, and how often, an event arrives.
func (g *Generator) arrive(d draft) {
	again := g.rng.Float64() < g.opts.Duplicates
	d.due = d.at + g.delay()
	if d.incident == nil && g.rng.Float64() < g.opts.Late {
		d.due += g.opts.LateBy.Milliseconds()
	}
	g.arriving.push(d)
	if again {
		d.ring, d.due = true, max(d.due, d.at+g.delay())
		g.arriving.push(d)
	}
}

func (g *Generator) delay() int64 {
	if ms := g.opts.Disorder.Milliseconds(); ms > 0 {
		return g.rng.Int64N(ms)
	}
	return 0
}

func (g *Generator) fill(rec *Record, d *draft) {
	g.value = appendValue(g.value[:0], d, &g.cities)
	*rec = Record{
		Stream: d.kind.stream(), Key: keyOf(d.kind, d.who), ID: idOf(d.kind, d.seq),
		Time: d.at, Arrival: d.due, Partition: -1, Value: g.value,
	}
}

// settle labels an incident when its last event has left.
func (g *Generator) settle(d *draft) {
	if d.incident == nil || d.ring {
		return
	}
	if d.incident.pending--; d.incident.pending == 0 {
		g.opts.Incident(d.incident)
	}
}

// plan adds an event and returns its id.
func (g *Generator) plan(d draft) string {
	g.seq++
	g.drafted++
	d.seq, d.due = g.seq, d.at
	g.planned.push(d)
	return idOf(d.kind, d.seq)
}

// live plans what happens at a time. Near the end of a counted run only single
// events happen, so that the count is met exactly.
func (g *Generator) live(at int64) {
	room := g.opts.Count == Endless || g.opts.Count-g.drafted >= g.roomy
	u := g.rng.Float64()
	switch {
	case room && u < g.chance:
		g.incident(at)
	case room && u < 2*g.chance:
		g.hardNegative(at)
	default:
		g.ordinary(at, room)
	}
}

func (g *Generator) ordinary(at int64, room bool) {
	if g.wide && g.rng.Float64() < widerShare {
		g.wider(at, room)
		return
	}
	u := g.rng.Float64()
	switch {
	case u < orderShare && room:
		g.orderPlaced(at, 0.2+0.6*g.rng.Float64())
	case u < orderShare+loginShare:
		g.login(at, g.someone(g.users, at))
	case u < orderShare+loginShare+challengeShare:
		status := "passed"
		if g.rng.Float64() < 0.1 {
			status = "failed"
		}
		g.plan(draft{at: at, kind: challenge, who: g.someone(g.cards, at), status: status})
	default:
		g.payment(at, g.someone(g.cards, at))
	}
}

// wakeTries is how often somebody else is asked when the one drawn sleeps.
const wakeTries = 3

func (g *Generator) someone(z zipf, at int64) uint64 {
	who := z.rank(g.rng.Float64())
	for range wakeTries {
		if p := personOf(g.opts.Seed, who); p.awake(at) {
			break
		}
		who = z.rank(g.rng.Float64())
	}
	return who
}

// stranger returns a person who has done nothing so far: whatever befalls them
// is not disturbed by ordinary life.
func (g *Generator) stranger() uint64 {
	g.fresh++
	return uint64(g.opts.Cards) + g.fresh
}

// payment plans a purchase by habit.
func (g *Generator) payment(at int64, card uint64) {
	d := g.purchase(at, card)
	d.fleet, d.owned = card < g.fleet, g.wide
	d.cents = int64(float64(d.cents) * (0.5 + 1.5*g.rng.Float64()))
	switch u := g.rng.Float64(); {
	case d.fleet:
		d.cents = 2_000 + d.cents*4
	case u < declineShare:
		d.status = "declined"
	case u > 0.99:
		d.cents *= 8
	}
	g.plan(d)
}

// purchase is an approved payment of a card's usual amount at a usual shop.
func (g *Generator) purchase(at int64, card uint64) draft {
	p := personOf(g.opts.Seed, card)
	return draft{at: at, kind: payment, who: card, status: "approved", cents: p.cents,
		merchant: p.shop(g.rng.Uint64()), device: p.device, city: p.home}
}

// login plans a login from home.
func (g *Generator) login(at int64, user uint64) { g.plan(g.homeLogin(at, user)) }

func (g *Generator) homeLogin(at int64, user uint64) draft {
	p := personOf(g.opts.Seed, user)
	return draft{at: at, kind: login, who: user, status: "success", device: p.device, city: p.home, near: uint16(mix(p.shops))}
}

// newOrder is an order that has just been placed.
func (g *Generator) newOrder(at int64) draft {
	g.orders++
	return draft{at: at, kind: order, who: g.orders, status: "placed", cents: 1_000 + g.rng.Int64N(20_000)}
}

// orderPlaced plans an order that is delivered at a share of the promised
// time after it is paid.
func (g *Generator) orderPlaced(at int64, share float64) {
	promised := float64(g.opts.Delivery.Milliseconds())
	paid := at + g.between(1, 20)
	d := g.newOrder(at)
	g.plan(d)
	d.at, d.status = paid, "paid"
	g.plan(d)
	d.at, d.status = paid+int64(promised*share/2), "shipped"
	g.plan(d)
	d.at, d.status = paid+int64(promised*share), "delivered"
	g.plan(d)
}

// between returns a number of ms between two numbers of seconds.
func (g *Generator) between(lo, hi int64) int64 { return lo*1000 + g.rng.Int64N((hi-lo)*1000) }

// Last returns the greatest event time of the records returned, in ms.
func (g *Generator) Last() int64 { return g.last }
