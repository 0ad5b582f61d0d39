package fraudgen

// A label gathers the events of an incident while they are planned.
type label struct {
	g   *Generator
	inc *Incident
}

func (g *Generator) label(scenario, key string) label {
	g.labelled++
	return label{g, &Incident{ID: incidentID(g.labelled), Scenario: scenario, Key: key}}
}

// plan adds an event to the incident and returns its id.
func (l label) plan(d draft) string {
	d.incident = l.inc
	id := l.g.plan(d)
	l.count(id, d.at)
	return id
}

func (l label) count(id string, at int64) {
	i := l.inc
	i.Events = append(i.Events, id)
	if len(i.Events) == 1 {
		i.First = at
	}
	i.Last = at
	i.pending++
}

// incident plans one of the scenarios from a time on.
func (g *Generator) incident(at int64) { g.guilty[g.rng.IntN(len(g.guilty))](at) }

// cardTesting: small declined probes at several shops, minutes apart, then one
// large purchase. The probes are too far apart to be failed payments.
func (g *Generator) cardTesting(at int64) {
	card := g.stranger()
	g.plan(g.purchase(at, card))
	l := g.label(CardTesting, keyOf(payment, card))
	at += g.between(300, 600)
	for i := range 3 + g.rng.IntN(4) {
		d := g.probe(at, card)
		d.merchant += uint32(i)
		l.plan(d)
		at += g.between(151, 400)
	}
	hit := g.purchase(at, card)
	hit.cents = 50_100 + g.rng.Int64N(150_000)
	l.inc.Decisive = l.plan(hit)
	l.inc.AtRisk = float64(hit.cents) / 100
}

func (g *Generator) probe(at int64, card uint64) draft {
	d := g.purchase(at, card)
	d.status, d.cents = "declined", 50+g.rng.Int64N(449)
	d.device = g.rng.Uint64() % 10_000_000
	return d
}

// failedPayments: three or more declined purchases within four minutes; the
// third decides.
func (g *Generator) failedPayments(at int64) {
	card := g.stranger()
	l := g.label(FailedPayments, keyOf(payment, card))
	for i := range 3 + g.rng.IntN(3) {
		d := g.declined(at, card)
		id := l.plan(d)
		if i == 2 {
			l.inc.Decisive = id
		}
		l.inc.AtRisk += float64(d.cents) / 100
		at += g.between(5, 60)
	}
}

func (g *Generator) declined(at int64, card uint64) draft {
	d := g.purchase(at, card)
	d.status, d.cents = "declined", 2_000+g.rng.Int64N(28_000)
	return d
}

// farKm is a distance that no one covers within farMax seconds.
const (
	farKm  = 2_000
	farMax = 3_600
)

// impossibleTravel: a login at home, within the hour another one far away.
func (g *Generator) impossibleTravel(at int64) {
	user := g.stranger()
	l := g.label(ImpossibleTravel, keyOf(login, user))
	d := g.homeLogin(at, user)
	l.plan(d)
	d.at += g.between(600, farMax)
	d.city = g.cityAt(d.city, farKm, false)
	d.device = g.rng.Uint64() % 10_000_000
	l.inc.Decisive = l.plan(d)
	l.inc.AtRisk = 500
}

// cityAt returns a city at least so far from home: any such, or the nearest.
func (g *Generator) cityAt(home int, away float64, nearest bool) int {
	best, least := home, 0.0
	from := g.rng.IntN(len(g.cities))
	for i := range g.cities {
		c := (from + i) % len(g.cities)
		d := km(g.cities[home], g.cities[c])
		if d < away || best != home && (!nearest || d >= least) {
			continue
		}
		best, least = c, d
	}
	return best
}

// velocity: ten or more large approved purchases at as many shops within five
// minutes; the tenth decides.
func (g *Generator) velocity(at int64) {
	card := g.stranger()
	l := g.label(Velocity, keyOf(payment, card))
	for i := range 10 + g.rng.IntN(5) {
		d := g.purchase(at, card)
		d.cents = 10_001 + g.rng.Int64N(20_000)
		d.merchant += uint32(i)
		id := l.plan(d)
		if i == 9 {
			l.inc.Decisive = id
		}
		l.inc.AtRisk += float64(d.cents) / 100
		at += g.between(5, 20)
	}
}

// undelivered: an order that is paid and never delivered. Its payment decides,
// for nothing happens when the promise is broken.
func (g *Generator) undelivered(at int64) {
	g.unsent(UndeliveredOrder, at)
}

// unsent plans an order that is paid, and nothing after it.
func (g *Generator) unsent(scenario string, at int64) {
	l := g.label(scenario, keyOf(order, g.orders+1))
	d := g.newOrder(at)
	l.plan(d)
	d.at, d.status = at+g.between(1, 20), "paid"
	l.inc.Decisive = l.plan(d)
	l.inc.AtRisk = float64(d.cents) / 100
}

// hardNegative plans something that looks like a scenario and is none.
func (g *Generator) hardNegative(at int64) { g.innocent[g.rng.IntN(len(g.innocent))](at) }

// lateOrder: an order that comes just in time.
func (g *Generator) lateOrder(at int64) { g.orderPlaced(at, 0.97) }

// retriedCheckout: small declined payments at one shop, a passed challenge,
// then a large purchase: the owner of the card fighting with a form.
func (g *Generator) retriedCheckout(at int64) {
	card := g.stranger()
	first := g.probe(at, card)
	for range 3 {
		d := g.probe(at, card)
		d.merchant = first.merchant
		g.plan(d)
		at += g.between(160, 240)
	}
	g.plan(draft{at: at, kind: challenge, who: card, status: "passed"})
	d := g.purchase(at+g.between(10, 60), card)
	d.cents = 60_000
	g.plan(d)
}

// twoDeclines: a wrong PIN twice, then it works; a third one much later.
func (g *Generator) twoDeclines(at int64) {
	card := g.stranger()
	g.plan(g.declined(at, card))
	g.plan(g.declined(at+20_000, card))
	g.plan(g.purchase(at+40_000, card))
	g.plan(g.declined(at+g.between(320, 900), card))
}

// flightKmh and boardingMs make a journey that an aeroplane can do.
const (
	flightKmh  = 700
	boardingMs = 2 * 3_600_000
)

// holiday: a login at home, the next one abroad after a flight.
func (g *Generator) holiday(at int64) {
	user := g.stranger()
	d := g.homeLogin(at, user)
	g.plan(d)
	home := g.cities[d.city]
	d.city = g.cityAt(d.city, 500, true)
	d.at += boardingMs + int64(km(home, g.cities[d.city])/flightKmh*3_600_000)
	g.plan(d)
}

// payday: many purchases within minutes, but fewer than ten.
func (g *Generator) payday(at int64) {
	card := g.stranger()
	for i := range 8 {
		d := g.purchase(at, card)
		d.cents, d.merchant = 15_000, d.merchant+uint32(i)
		g.plan(d)
		at += g.between(10, 30)
	}
}

// smallBurst: a dozen purchases within minutes, of little money: a gift card
// spent on a school trip.
func (g *Generator) smallBurst(at int64) {
	card := g.stranger()
	for i := range 12 {
		d := g.purchase(at, card)
		d.cents, d.merchant = 600+g.rng.Int64N(5_000), d.merchant+uint32(i)
		g.plan(d)
		at += g.between(5, 20)
	}
}
