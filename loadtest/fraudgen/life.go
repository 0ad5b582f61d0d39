package fraudgen

// widerShare is the share of ordinary life in the streams that only some
// scenarios need.
const widerShare = 0.25

// friends is the number of people that somebody sends money to.
const friends = 6

// wider plans an ordinary event of one of the wider streams. Who acts is drawn
// evenly.
func (g *Generator) wider(at int64, room bool) {
	who := g.rng.Uint64N(uint64(g.opts.Cards))
	cents := 500 + g.rng.Int64N(35_000)
	var d draft
	switch u := g.rng.Float64(); {
	case u < 0.40:
		friend := mix(who*friends+g.rng.Uint64N(friends)) % uint64(g.opts.Cards)
		d = moved(who, friend, cents)
	case u < 0.55:
		d = note(issuing, who, `"action":"charge","amount":%s,"utilisation":0.%02d`, money(cents), mix(who)%60)
	case u < 0.67:
		d = note(activity, who, `"action":"in","amount":%s,"balance":%s`, money(cents), money(cents*9))
	case u < 0.76:
		d = note(atm, who, `"amount":%d.00`, cents/2_000*10+10)
	case u < 0.85:
		d = g.routine(who)
	case u < 0.90 && room:
		g.newTelephone(at, who)
		return
	case u < 0.95:
		d = note(cash, who, `"amount":%s,"kind":"deposit"`, money(cents*10))
	default:
		d = g.custom(who, cents)
	}
	d.at = at
	g.plan(d)
}

// routine is what users do to their accounts.
func (g *Generator) routine(who uint64) draft {
	switch g.rng.IntN(4) {
	case 0:
		return act(profile, who, "address_changed")
	case 1:
		return act(auth, who, "push_approved")
	case 2:
		return act(auth, who, "step_up_passed")
	}
	return act(session, who, "started")
}

// newTelephone plans that a user moves the second factor to another device.
func (g *Generator) newTelephone(at int64, who uint64) {
	g.plan(at1(act(auth, who, "factor_removed"), at))
	g.plan(at1(act(auth, who, "factor_activated"), at+g.between(60, hour)))
}

func at1(d draft, at int64) draft {
	d.at = at
	return d
}

// custom is what customers of shops do.
func (g *Generator) custom(who uint64, cents int64) draft {
	device := personOf(g.opts.Seed, who).device
	switch g.rng.IntN(3) {
	case 0:
		g.orders++
		return note(refund, g.orders, `"card_id":%q,"amount":%s,"customer_id":%q,"reason":"returned"`, keyOf(payment, who), money(cents), keyOf(login, who))
	case 1:
		return note(signup, g.stranger(), `"device_id":"d-%07d"`, device)
	}
	return note(promo, who, `"code":"summer","device_id":"d-%07d","amount":5.00`, device)
}
