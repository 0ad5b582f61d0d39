package fraudgen

import "fmt"

// The streams of the generator, as rules/catalog declares them.
const (
	Payment   = "payment"
	Challenge = "challenge"
	Login     = "login"
	Order     = "order"
	Profile   = "profile"
	Auth      = "auth"
	Transfer  = "transfer"
	Cash      = "cash"
	ATM       = "atm"
	Refund    = "refund"
	SIM       = "sim"
	Session   = "session"
	Signup    = "signup"
	Promo     = "promo"
	Issuing   = "issuing"
	Activity  = "activity"
	Merchant  = "merchant"
)

// Streams lists the streams that records belong to while only scenarios of
// Live() are asked for.
func Streams() []string { return []string{Payment, Challenge, Login, Order} }

// AllStreams lists the streams that records of any scenario belong to.
func AllStreams() []string {
	var all []string
	for k := payment; k < kinds; k++ {
		all = append(all, k.stream())
	}
	return all
}

// Topic is the topic of a stream, as rules/catalog declares it.
func Topic(stream string) string {
	switch stream {
	case Cash, Issuing:
		return stream
	case Activity:
		return "activities"
	}
	return stream + "s"
}

// Streams lists the streams that this generator's records belong to.
func (g *Generator) Streams() []string {
	if g.wide {
		return AllStreams()
	}
	return Streams()
}

type kind uint8

const (
	payment kind = iota
	challenge
	login
	order
	profile
	auth
	transfer
	cash
	atm
	refund
	sim
	session
	signup
	promo
	issuing
	activity
	merchant
	kinds // their number
)

// A shape is how the events of a kind are written.
type shape struct {
	stream   string
	id       byte   // begins its ids
	keyField string // of the partition key
	key      byte   // begins the values of the partition key
	closing  string // what its closing records hold besides
}

func (k kind) shape() *shape { return &shapes[k] }

var shapes = [kinds]shape{
	payment:   {Payment, 'p', "card_id", 'c', ""},
	challenge: {Challenge, 'c', "card_id", 'c', ""},
	login:     {Login, 'l', "user_id", 'u', ""},
	order:     {Order, 'o', "order_id", 'o', ""},
	profile:   {Profile, 'f', "user_id", 'u', `,"action":"closing"`},
	auth:      {Auth, 'a', "user_id", 'u', `,"action":"closing"`},
	transfer:  {Transfer, 't', "payer", 'a', `,"payee":"a-closing","amount":1.00`},
	cash:      {Cash, 'b', "customer_id", 'k', `,"amount":0.00,"kind":"closing"`},
	atm:       {ATM, 'w', "card_id", 'c', `,"amount":0.00`},
	refund:    {Refund, 'r', "order_id", 'o', `,"card_id":"c-closing","amount":0.00`},
	sim:       {SIM, 's', "msisdn", 't', `,"action":"closing"`},
	session:   {Session, 'e', "user_id", 'u', `,"action":"closing"`},
	signup:    {Signup, 'n', "user_id", 'u', ""},
	promo:     {Promo, 'v', "user_id", 'u', `,"code":"closing"`},
	issuing:   {Issuing, 'i', "card_id", 'c', `,"action":"closing","amount":0.00,"utilisation":0.5`},
	activity:  {Activity, 'y', "account", 'a', `,"action":"closing"`},
	merchant:  {Merchant, 'm', "merchant_id", 'm', `,"action":"closing"`},
}

func (k kind) stream() string   { return k.shape().stream }
func (k kind) keyField() string { return k.shape().keyField }
func (k kind) closing() string  { return k.shape().closing }

// idOf is the id of the event with number seq.
func idOf(k kind, seq uint64) string { return string(appendID(nil, k, seq)) }

func appendID(dst []byte, k kind, seq uint64) []byte {
	return appendNumber(append(dst, k.shape().id, '-'), seq, 10)
}

// keyOf is the partition key of who in the streams of kind k.
func keyOf(k kind, who uint64) string { return string(appendKey(nil, k, who)) }

func appendKey(dst []byte, k kind, who uint64) []byte {
	width := 7
	if k == merchant {
		width = 4 // as payments name them
	}
	return appendNumber(append(dst, k.shape().key, '-'), who, width)
}

// pairOf is the text of a composite key.
func pairOf(a, b string) string { return fmt.Sprintf("[%q,%q]", a, b) }
