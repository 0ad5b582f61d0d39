package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRulesState moves a rule over REST; a refusal comes with what can be done.
func TestRulesState(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.String() {
		case "POST /v1/rules/card%20testing/state?to=live":
			w.Write([]byte(`{"name":"card testing","revision":4,"state":"live"}`))
		case "POST /v1/rules/storm/state?revision=3&to=shadow":
			w.Write([]byte(`{"name":"storm","revision":2,"state":"paused","trial":{"revision":3,"state":"shadow"}}`))
		default:
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"detail":"revision 2 of rule storm is live and cannot become draft: from live a rule goes to paused or retired","errors":[{"hint":"store the new text with PUT"}]}`))
		}
	}))
	defer server.Close()
	cases := []struct {
		args []string
		want string
	}{
		{[]string{"card testing", "live"}, "rule card testing is live at revision 4\nexit 0\n"},
		{[]string{"storm", "shadow", "--revision", "3"}, "rule storm is paused at revision 2, with revision 3 as shadow\nexit 0\n"},
		{[]string{"storm", "draft"}, "the server answered 409 Conflict: revision 2 of rule storm is live and cannot become draft: from live a rule goes to paused or retired; store the new text with PUT\nexit 1\n"},
		{[]string{"storm", "alive"}, "there is no state \"alive\": say draft, shadow, live, paused or retired\nexit 1\n"},
	}
	for _, c := range cases {
		var out, errs strings.Builder
		err := run(t.Context(), append([]string{"rules", "state", "--api", server.URL}, c.args...), environ{in: strings.NewReader(""), out: &out, err: &errs})
		if got := out.String() + errs.String() + map[bool]string{true: "exit 0\n", false: "exit 1\n"}[exitCode(err) == 0]; !strings.HasSuffix(got, c.want) {
			t.Errorf("%v\n got %s\nwant %s", c.args, got, c.want)
		}
	}
}
