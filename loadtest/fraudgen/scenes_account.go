package fraudgen

import "fmt"

// accountTakeover: a login from a new device, a new password, a transfer; the
// owner of a new telephone passes a step-up challenge between.
func accountTakeover(s *script) {
	user := s.g.stranger()
	s.known(user)
	s.about(keyOf(login, user))
	s.add(s.entered(user, true, ""))
	s.wait(30, 300)
	s.add(act(profile, user, "password_changed"))
	s.wait(30, 300)
	if !s.guilty {
		s.add(act(auth, user, "step_up_passed"))
		s.wait(10, 60)
	}
	s.pay(user)
}

// pay ends a scene with a large transfer.
func (s *script) pay(user uint64) {
	cents := s.some(150_000, 900_000)
	s.add(moved(user, s.g.stranger(), cents))
	s.decide()
	s.risk(cents)
}

// contactChange: a new telephone number or address of mail, then a large
// withdrawal; who moves house withdraws too.
func contactChange(s *script) {
	user := s.g.stranger()
	s.about(keyOf(login, user))
	action := "address_changed"
	if s.guilty {
		action = "phone_changed"
	}
	s.add(act(profile, user, action))
	s.wait(600, 20*hour)
	s.withdraw(user)
}

func (s *script) withdraw(user uint64) {
	cents := s.some(100_100, 500_000)
	s.add(s.bought(user, cents, `"kind":"withdrawal","user_id":%q`, keyOf(login, user)))
	s.decide()
	s.risk(cents)
}

// simSwap: a number moves to another SIM, whose holder logs in by one-time
// password on a new device and pays. Owners of a new SIM keep their device.
func simSwap(s *script) {
	user := s.g.stranger()
	s.known(user)
	s.about(keyOf(login, user))
	s.add(note(sim, user, `"action":"sim_changed","user_id":%q`, keyOf(login, user)))
	s.wait(hour, 2*day)
	s.add(s.entered(user, s.guilty, `,"method":"otp"`))
	s.wait(120, 4*hour)
	s.pay(user)
}

// credentialStuffing: many users fail from one address, one of them enters and
// pays; in an office, who enters has not failed.
func credentialStuffing(s *script) {
	ip := string(appendNumber([]byte("ip-"), s.g.stranger(), 7))
	s.about(ip)
	from := `,"ip":"` + ip + `"`
	victim := s.g.stranger()
	for i := range s.some(11, 16) {
		who := s.g.stranger()
		if i == 3 && s.guilty {
			who = victim
		}
		d := s.entered(who, true, from)
		d.status = "failed"
		s.add(d)
		s.wait(5, 40)
	}
	s.add(s.entered(victim, s.guilty, from))
	s.wait(60, 900)
	cents := s.some(100_100, 300_000)
	s.add(s.bought(victim, cents, `"user_id":%q%s`, keyOf(login, victim), from))
	s.decide()
	s.risk(cents)
}

// mfaBombing: requests denied until one is approved, then a payee; an owner
// denies no more than three.
func mfaBombing(s *script) {
	user := s.g.stranger()
	s.about(keyOf(login, user))
	for range s.pick(s.some(5, 9), s.some(1, 3)) {
		s.add(act(auth, user, "push_denied"))
		s.wait(5, 25)
	}
	s.add(act(auth, user, "push_approved"))
	s.wait(20, 200)
	s.add(note(profile, user, `"action":"payee_added","payee":%q`, keyOf(transfer, s.g.stranger())))
	s.decide()
	s.risk(500_000)
}

// newPayee: a payee is added, and a large sum goes there within the hour; most
// new payees get little.
func newPayee(s *script) {
	user, payee := s.g.stranger(), s.g.stranger()
	s.aside(moved(user, s.g.stranger(), s.some(2_000, 30_000)))
	s.wait(hour, 5*hour)
	s.about(keyOf(transfer, user))
	s.add(note(profile, user, `"action":"payee_added","account":%q,"payee":%q`, keyOf(transfer, user), keyOf(transfer, payee)))
	s.wait(60, 3_000)
	cents := s.pick(s.some(510_000, 2_000_000), s.some(2_000, 90_000))
	s.add(moved(user, payee, cents))
	s.decide()
	s.risk(cents)
}

// factorRemoved: a second factor goes and none comes; owners activate the next
// within hours.
func factorRemoved(s *script) {
	user := s.g.stranger()
	s.about(keyOf(auth, user))
	s.add(note(auth, user, `"action":"factor_removed","factor":"totp"`))
	s.decide()
	s.risk(100_000)
	s.wait(60, 600)
	s.add(note(auth, user, `"action":"factor_added","factor":"totp"`))
	if !s.guilty {
		s.wait(600, 10*hour)
		s.add(note(auth, user, `"action":"factor_activated","factor":"totp"`))
	}
}

// elders is the number of the first of the customers whose age matters; those
// with even numbers are old. There are Elders of each.
const (
	elders = 8_000_000_000
	Elders = 2_000
)

// Customers returns the list document that tells the ages of the customers
// whose age matters to a scenario.
func Customers() []byte {
	b := []byte("apiVersion: caltrop/v1\nkind: List\nname: customers\nattributes: {age: int}\nentries:\n")
	for i := range uint64(2 * Elders) {
		b = fmt.Appendf(b, "  %s: {age: %d}\n", keyOf(login, elders+i), 70+i%20-i%2*40)
	}
	return b
}

// coercedTransfer: a remote desktop opens in the session of an old customer,
// who pays abroad for the first time; the young let friends help them too.
func coercedTransfer(s *script) {
	user := elders + 2*(s.g.elders%Elders)
	if s.g.elders++; !s.guilty {
		user++
	}
	s.about(keyOf(login, user))
	s.add(act(session, user, "started"))
	s.wait(60, 600)
	s.add(act(session, user, "remote_desktop"))
	s.wait(60, 1_200)
	cents := s.some(100_000, 900_000)
	d := moved(user, s.g.stranger(), cents)
	d.more += `,"country":"MM"`
	s.add(d)
	s.decide()
	s.risk(cents)
	s.wait(60, 600)
	s.aside(act(session, user, "ended"))
}

// riskAccumulation: logins too far apart, then a new telephone number and a
// large withdrawal: each an alert, together too much. Who moves house logs in
// from a new device and withdraws as well.
func riskAccumulation(s *script) {
	user := s.g.stranger()
	s.about(keyOf(login, user))
	s.add(s.entered(user, false, ""))
	s.wait(600, farMax)
	d, changed := s.entered(user, true, ""), "address_changed"
	if s.guilty {
		d.city, changed = s.g.cityAt(d.city, farKm, false), "phone_changed"
	}
	s.add(d)
	s.wait(600, 2*hour)
	s.add(act(profile, user, changed))
	s.wait(600, 4*hour)
	s.withdraw(user)
}
