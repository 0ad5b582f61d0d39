package event_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

const piiKey = "a key of this test"

// hashed is what a policy of hash makes of a text, said in another way.
func hashed(text string) string {
	m := hmac.New(sha256.New, []byte(piiKey))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))[:32]
}

func privateDecl() event.Decl {
	field := func(name string, t event.Type, p event.PII) event.Field {
		return event.Field{Name: name, Type: t, Path: []string{name}, Optional: true, PII: p}
	}
	return event.Decl{Time: []string{"ts"}, ID: []string{"mail"}, HashID: true, HashKey: []byte(piiKey),
		Schema: event.NewSchema("private", []event.Field{
			field("mail", event.String, event.PIIHash), field("cvv", event.Int, event.PIIDrop), field("pan", event.String, event.PIIMask),
			field("phones", event.StringList, event.PIIHash), field("n", event.Int, event.PIINone)})}
}

func TestPersonalDataIsTreatedWhereEventsEnter(t *testing.T) {
	const line = `{"stream":"private","ts":1767225600000,"mail":"ann@example.com","cvv":"no number","pan":"4111111111111111","phones":["1","2"],"n":7}`
	decl := privateDecl()
	var one, two event.Event
	if err := event.NewDecoder(decl).Decode([]byte(line), &one); err != nil {
		t.Fatal(err)
	}
	if err := event.NewLineDecoder([]event.Decl{decl}).Decode([]byte(line), &two); err != nil {
		t.Fatal(err)
	}
	for _, ev := range []event.Event{one, two} {
		got := string(ev.AppendJSON(nil))
		want := []string{hashed("ann@example.com"), `"************1111"`, `["` + hashed("1") + `","` + hashed("2") + `"]`, `"n":7`}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s lacks %s", got, w)
			}
		}
		if ev.ID != hashed("ann@example.com") {
			t.Errorf("the id is %s", ev.ID)
		}
		for _, raw := range []string{"ann@", "41111", "cvv", "no number"} {
			if strings.Contains(got, raw) {
				t.Errorf("%s holds %s", got, raw)
			}
		}
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "1234": "****", "1234567": "*******", "12345678": "****5678", "4111 1111 1111 1234": "***************1234", "äöüäöüäöü": "*****üäöü",
	} {
		if got := event.Mask(text); got != want || event.Mask(got) != got || !event.PIIMask.Leaves(got) {
			t.Errorf("Mask(%q) = %q, want %q; again %q", text, got, want, event.Mask(got))
		}
	}
}

func TestADecoderThatHashesNeedsAKey(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a decoder without a key is made")
		}
	}()
	decl := privateDecl()
	decl.HashKey = nil
	event.NewDecoder(decl)
}
