package fraudgen

import "slices"

// Scenarios of incidents while no others are asked for; Rules() has a rule for
// each.
const (
	CardTesting      = "card-testing"
	FailedPayments   = "failed-payments"
	ImpossibleTravel = "impossible-travel"
	Velocity         = "velocity"
	UndeliveredOrder = "undelivered-order"
)

// Live lists the scenarios whose rules read one stream by its partition key.
func Live() []string {
	return []string{CardTesting, FailedPayments, ImpossibleTravel, Velocity, UndeliveredOrder}
}

// Catalogue lists the scenarios of rules/catalog, each named as its rule.
func Catalogue() []string {
	var names []string
	for _, s := range catalogue() {
		names = append(names, s.name)
	}
	return names
}

// A scenario is a kind of fraud, and what looks like it and is none.
type scenario struct {
	name     string
	guilty   func(g *Generator, at int64)
	innocent []func(g *Generator, at int64)
}

// liveScenarios are those of Live(), in its order.
func liveScenarios() []scenario {
	type acts = []func(*Generator, int64)
	return []scenario{
		{CardTesting, (*Generator).cardTesting, acts{(*Generator).retriedCheckout}},
		{FailedPayments, (*Generator).failedPayments, acts{(*Generator).twoDeclines}},
		{ImpossibleTravel, (*Generator).impossibleTravel, acts{(*Generator).holiday}},
		{Velocity, (*Generator).velocity, acts{(*Generator).payday, (*Generator).smallBurst}},
		{UndeliveredOrder, (*Generator).undelivered, acts{(*Generator).lateOrder}},
	}
}

// A scene plays a scenario, or, where the script is not guilty, something that
// only looks like it.
type scene func(s *script)

// catalogue lists the scenarios of rules/catalog in the order of their rules.
func catalogue() []scenario {
	live := liveScenarios()
	return []scenario{
		live[1], live[0],
		play("bin-attack", binAttack),
		play("account-takeover", accountTakeover),
		play("contact-change-payout", contactChange),
		play("sim-swap", simSwap),
		play("credential-stuffing", credentialStuffing),
		play("mfa-bombing", mfaBombing),
		live[2],
		play("geo-jump-cash", geoJump),
		play("velocity-spike", velocitySpike),
		play("structuring", structuring),
		play("smurfing-fan-in", smurfing),
		play("mule-fan-out", fanOut),
		play("pass-through", passThrough),
		play("circular-flow", circularFlow),
		play("peeling-chain", peelingChain),
		play("dormant-reactivation", dormant),
		play("micro-deposits", microDeposits),
		play("new-payee-transfer", newPayee),
		play("bust-out", bustOut),
		play("refund-abuse", refundAbuse),
		play("refund-elsewhere", refundElsewhere),
		play("merchant-collusion", merchantCollusion),
		play("laundering-spike", launderingSpike),
		play("promo-ring", promoRing),
		play("never-delivered", neverDelivered),
		play("factor-removed", factorRemoved),
		play("capture-unauthorised", captureUnauthorised),
		play("coerced-transfer", coercedTransfer),
		play("sanctioned-retry", sanctionedRetry),
		play("risk-accumulation", riskAccumulation),
	}
}

// play makes a scenario of a scene.
func play(name string, sc scene) scenario {
	return scenario{
		name:   name,
		guilty: func(g *Generator, at int64) { sc(&script{g: g, name: name, guilty: true, at: at}) },
		innocent: []func(*Generator, int64){
			func(g *Generator, at int64) { sc(&script{g: g, name: name, at: at}) },
		},
	}
}

func scenarioNamed(name string) (scenario, bool) {
	all := append(liveScenarios(), catalogue()...)
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
	if i < 0 {
		return scenario{}, false
	}
	return all[i], true
}

// Events that one scenario may plan, with room to spare.
const (
	liveMax = 20
	wideMax = 40
)

// cast takes the scenarios of the options.
func (g *Generator) cast() {
	g.roomy = liveMax
	for _, name := range g.opts.Scenarios {
		if !slices.Contains(Live(), name) {
			g.wide, g.roomy = true, wideMax
		}
		s, _ := scenarioNamed(name)
		g.guilty = append(g.guilty, func(at int64) { s.guilty(g, at) })
		for _, act := range s.innocent {
			g.innocent = append(g.innocent, func(at int64) { act(g, at) })
		}
	}
}
