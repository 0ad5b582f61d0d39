package fraudgen

// binAttack: cards of one issuer at one shop, nearly all refused; on a day of
// sales one in five is.
func binAttack(s *script) {
	issuer := s.g.stranger()
	shop := uint32(s.some(0, merchants-1))
	s.about(pairOf(string(appendNumber([]byte("b-"), issuer, 2)), keyOf(merchant, uint64(shop))))
	for i := range s.some(22, 28) {
		d := s.bought(s.g.stranger(), s.some(100, 900), `"kind":"authorisation","bin":"b-%02d"`, issuer)
		d.merchant = shop
		if s.guilty && i%12 != 11 || !s.guilty && i%5 == 0 {
			d.status = "declined"
		}
		s.add(d)
		if i == 19 {
			s.decide()
		}
		s.risk(d.cents)
		s.wait(3, 20)
	}
}

// geoJump: two terminals too far apart, then cash; or two of one city.
func geoJump(s *script) {
	card := s.g.stranger()
	s.about(keyOf(payment, card))
	home := personOf(s.g.opts.Seed, card).home
	for range 2 {
		at := s.g.cities[home]
		s.add(s.bought(card, s.some(1_000, 5_000), `"lat":%.3f,"lon":%.3f`, at.lat, at.lon))
		s.wait(120, 300)
		if s.guilty {
			home = s.g.cityAt(home, farKm, false)
		}
	}
	cents := s.some(100_000, 200_000)
	s.add(note(atm, card, `"amount":%s`, money(cents)))
	s.decide()
	s.risk(cents)
}

// velocitySpike: ten purchases or more of one user within the hour; before a
// feast people make eight.
func velocitySpike(s *script) {
	user := s.g.stranger()
	s.about(keyOf(login, user))
	for i := range s.pick(s.some(10, 14), s.some(5, 8)) {
		d := s.bought(user, s.some(2_000, 20_000), `"user_id":%q`, keyOf(login, user))
		d.merchant += uint32(i)
		s.add(d)
		if i == 9 {
			s.decide()
		}
		s.risk(d.cents)
		s.wait(60, 240)
	}
}

// merchantCollusion: one card pays one shop much in several pieces; or three
// shops.
func merchantCollusion(s *script) {
	card := s.g.stranger()
	shop := uint32(s.some(0, merchants-1))
	s.about(pairOf(keyOf(merchant, uint64(shop)), keyOf(payment, card)))
	for i := range uint32(s.some(3, 4)) {
		d := s.bought(card, s.some(36_000, 70_000), "")
		if d.merchant = shop; !s.guilty {
			d.merchant += i
		}
		s.add(d)
		s.decide()
		s.risk(d.cents)
		s.wait(hour, 6*hour)
	}
}

// newShops is the number of the first merchant that is activated while the
// generator runs.
const newShops = 10_000

// launderingSpike: a merchant just activated takes much at once; others begin
// with little.
func launderingSpike(s *script) {
	shop := newShops + s.g.stranger()
	s.about(keyOf(merchant, shop))
	s.add(act(merchant, shop, "activated"))
	for range s.some(8, 10) {
		s.wait(hour, 2*hour)
		d := s.bought(s.g.stranger(), s.pick(s.some(70_000, 99_000), s.some(2_000, 20_000)), "")
		d.merchant = uint32(shop)
		s.add(d)
		s.decide()
		s.risk(d.cents)
	}
}

// promoRing: one device opens accounts that redeem the coupon; a family opens
// four.
func promoRing(s *script) {
	device := string(appendNumber([]byte("d-"), s.g.stranger()+10_000_000, 7))
	s.about(device)
	n := s.pick(s.some(5, 8), s.some(2, 4))
	users := make([]uint64, n)
	for i := range users {
		users[i] = s.g.stranger()
		s.add(note(signup, users[i], `"device_id":%q`, device))
		s.wait(60, 900)
	}
	for _, u := range users[:min(n, 4)] {
		s.add(note(promo, u, `"code":"welcome","device_id":%q,"amount":20.00`, device))
		s.decide()
		s.risk(2_000)
		s.wait(60, 600)
	}
}

// neverDelivered: an order is paid and nothing comes; or it comes late.
func neverDelivered(s *script) {
	if s.guilty {
		s.g.unsent(s.name, s.at)
		return
	}
	s.g.lateOrder(s.at)
}

// captureUnauthorised: money is captured that nobody authorised in the week
// before, or the day after it was.
func captureUnauthorised(s *script) {
	card, id := s.g.stranger(), s.g.stranger()
	cents := s.some(3_000, 50_000)
	step := func(kind string) draft {
		return s.bought(card, cents, `"kind":%q,"payment_id":"p-%07d"`, kind, id)
	}
	s.at += 8 * day * 1000 // a rule that looks a week back has read one by then
	if !s.guilty {
		s.add(step("authorisation"))
		s.wait(hour, 2*day)
	}
	s.about(string(appendNumber([]byte("p-"), id, 7)))
	s.add(step("capture"))
	s.decide()
	s.risk(cents)
}

// sanctionedShops is the number of the first of the merchants that
// rules/catalog lists as sanctioned.
const sanctionedShops = 9_001

// sanctionedRetry: a card is refused at a sanctioned merchant, and its owner
// tries another; or the same again.
func sanctionedRetry(s *script) {
	user := s.g.stranger()
	s.about(keyOf(login, user))
	cents := s.some(5_000, 90_000)
	for i := range 2 {
		card := user
		if i == 1 && s.guilty {
			card = s.g.stranger()
		}
		d := s.bought(card, cents, `"user_id":%q`, keyOf(login, user))
		if d.merchant = sanctionedShops; i == 0 {
			d.status = "declined"
		}
		s.add(d)
		s.wait(60, 1_800)
	}
	s.decide()
	s.risk(cents)
}
