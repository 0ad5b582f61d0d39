package fraudgen

// structuring: three deposits under the threshold within a day; a shop's
// takings are above it.
func structuring(s *script) {
	who := s.g.stranger()
	s.about(keyOf(cash, who))
	for range s.some(3, 4) {
		cents := s.pick(s.some(800_000, 999_900), s.some(1_000_100, 1_900_000))
		s.add(note(cash, who, `"amount":%s,"kind":"deposit","branch":"b-%02d"`, money(cents), s.some(1, 20)))
		s.decide()
		s.risk(cents)
		s.wait(hour, 5*hour)
	}
}

// smurfing: many payers send one account amounts that come to much; those of a
// birthday collection come to little.
func smurfing(s *script) {
	to := s.g.stranger()
	s.about(keyOf(transfer, to))
	for range s.some(9, 12) {
		cents := s.pick(s.some(62_500, 99_000), s.some(1_000, 5_000))
		s.add(moved(s.g.stranger(), to, cents))
		s.decide()
		s.risk(cents)
		s.wait(600, hour)
	}
}

// fanOut: a large credit leaves to five or more accounts; a salary leaves to
// as many, and most of it stays.
func fanOut(s *script) {
	mule := s.g.stranger()
	s.about(keyOf(transfer, mule))
	in, n := s.some(510_000, 900_000), s.some(5, 7)
	s.add(moved(s.g.stranger(), mule, in))
	s.wait(300, 1_200)
	out := in * s.pick(96, 40) / 100 / n
	for range n {
		s.add(moved(mule, s.g.stranger(), out))
		s.decide()
		s.wait(60, 600)
	}
	s.risk(in)
}

// passThrough: a credit goes on nearly whole; a deposit of a friend goes back
// to them.
func passThrough(s *script) {
	account, from := s.g.stranger(), s.g.stranger()
	to := from
	s.about(keyOf(transfer, account))
	if s.guilty {
		to = s.g.stranger()
	}
	in := s.some(100_000, 800_000)
	s.add(moved(from, account, in))
	s.wait(300, 3*hour)
	s.add(moved(account, to, in*s.some(96, 99)/100))
	s.decide()
	s.risk(in)
}

// circularFlow: money goes through three accounts back to the first; without
// guilt it stays with a fourth.
func circularFlow(s *script) {
	a, b, c := s.g.stranger(), s.g.stranger(), s.g.stranger()
	end := a
	s.about(pairOf(keyOf(transfer, c), keyOf(transfer, a)))
	if !s.guilty {
		end = s.g.stranger()
	}
	cents := s.some(200_000, 900_000)
	s.risk(cents)
	s.add(moved(a, b, cents))
	s.wait(5*hour, 15*hour)
	s.add(moved(b, c, cents*98/100))
	s.wait(5*hour, 15*hour)
	s.add(moved(c, end, cents*96/100))
	s.decide()
}

// peelingChain: small sums to one new address after the other; a shared
// kitty pays the same two again.
func peelingChain(s *script) {
	account := s.g.stranger()
	s.about(keyOf(transfer, account))
	one, two := s.g.stranger(), s.g.stranger()
	for i := range s.some(5, 8) {
		to := one
		if s.guilty {
			to = s.g.stranger()
		}
		one, two = two, one
		cents := s.some(5_000, 60_000)
		s.add(moved(account, to, cents))
		if i == 4 {
			s.decide()
		}
		s.risk(cents)
		s.wait(60, 400)
	}
}

// dormant: after more than half a year an account wakes and is emptied; its
// owner comes back and pays a bill.
func dormant(s *script) {
	account := s.g.stranger()
	s.aside(act(activity, account, "login"))
	s.at += 181 * day * 1000
	s.wait(0, 20*day)
	s.about(keyOf(activity, account))
	s.add(act(activity, account, "login"))
	s.wait(600, 20*hour)
	balance := s.some(200_000, 3_000_000)
	cents := balance * s.pick(s.some(82, 99), s.some(1, 30)) / 100
	s.add(note(activity, account, `"action":"out","amount":%s,"balance":%s`, money(cents), money(balance)))
	s.decide()
	s.risk(cents)
}

// microDeposits: three credits of cents; a service that verifies an account
// sends two.
func microDeposits(s *script) {
	to := s.g.stranger()
	s.about(keyOf(transfer, to))
	for range s.pick(s.some(3, 4), 2) {
		s.add(moved(s.g.stranger(), to, s.some(1, 99)))
		s.decide()
		s.wait(60, 2*hour)
	}
	s.risk(50_000)
}

// bustOut: a card little used is filled, the payment bounces, it is filled
// again; a kitchen bought on credit is paid.
func bustOut(s *script) {
	card := s.g.stranger()
	s.about(keyOf(issuing, card))
	event := func(action string, cents int64, used float64) {
		s.add(note(issuing, card, `"action":%q,"amount":%s,"utilisation":%.2f`, action, money(cents), used))
	}
	event("charge", 6_000, 0.05)
	s.wait(day, 3*day)
	event("charge", 400_000, 0.85)
	s.wait(day, 2*day)
	event("payment", 420_000, 0.01)
	s.wait(day, 2*day)
	if s.guilty {
		event("payment_reversed", 420_000, 0.85)
	}
	for range s.some(3, 5) {
		s.wait(hour, 10*hour)
		cents := s.some(10_000, 60_000)
		event("charge", cents, 0.95+float64(s.some(0, 5))/100)
		s.decide()
		s.risk(cents)
	}
}

// refundAbuse: parcel after parcel has not come, or what came is paid back;
// others send one expensive thing back.
func refundAbuse(s *script) {
	user := s.g.stranger()
	s.about(keyOf(login, user))
	bought := s.some(60_000, 150_000)
	s.add(s.bought(user, bought, `"user_id":%q`, keyOf(login, user)))
	back := func(cents int64, reason string) {
		s.wait(day, 3*day)
		s.g.orders++
		s.add(note(refund, s.g.orders, `"card_id":%q,"amount":%s,"customer_id":%q,"reason":%q`,
			keyOf(payment, user), money(cents), keyOf(login, user), reason))
		s.decide()
		s.risk(cents)
	}
	switch {
	case !s.guilty:
		back(bought, "returned")
	case s.some(0, 1) == 0:
		for range 3 {
			back(bought/10, "damaged")
		}
	default:
		for range 5 {
			back(s.some(1_000, 3_000), "not_received")
		}
	}
}

// refundElsewhere: an order paid by one card is refunded to another.
func refundElsewhere(s *script) {
	card := s.g.stranger()
	s.g.orders++
	id := s.g.orders
	s.about(keyOf(order, id))
	cents := s.some(5_000, 60_000)
	s.add(s.bought(card, cents, `"order_id":%q`, keyOf(order, id)))
	s.wait(day, 10*day)
	if s.guilty {
		card = s.g.stranger()
	}
	s.add(note(refund, id, `"card_id":%q,"amount":%s,"reason":"returned"`, keyOf(payment, card), money(cents)))
	s.decide()
	s.risk(cents)
}
