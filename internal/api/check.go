package api

import (
	"net/http"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/ruletest"
)

// bodyName stands for a file name in the problems of a request's body.
const bodyName = "body"

// A checkAnswer tells what sound documents are.
type checkAnswer struct {
	Valid    bool                 `json:"valid"`
	Streams  []string             `json:"streams"`
	Rules    []*rules.Explanation `json:"rules"`
	Warnings []fault              `json:"warnings"`
}

// validate checks documents together with the streams of the registry and
// stores nothing.
func (s *server) validate(w http.ResponseWriter, r *http.Request) error {
	set, problems, err := s.check(w, r)
	if err != nil {
		return err
	}
	answer := checkAnswer{Valid: true, Streams: []string{}, Rules: []*rules.Explanation{}, Warnings: warningsOf(problems)}
	for _, st := range set.Streams {
		answer.Streams = append(answer.Streams, st.Doc.Name)
	}
	for _, rule := range set.Rules {
		answer.Rules = append(answer.Rules, rules.Explain(rule, set))
	}
	return encode(w, http.StatusOK, answer)
}

// A testAnswer is the outcome of the tests of a body.
type testAnswer struct {
	Passed  int               `json:"passed"`
	Failed  int               `json:"failed"`
	Results []ruletest.Result `json:"results"`
}

// test runs the tests of the rules in the body.
func (s *server) test(w http.ResponseWriter, r *http.Request) error {
	set, _, err := s.check(w, r)
	if err != nil {
		return err
	}
	results, err := ruletest.RunContext(r.Context(), set)
	if err != nil {
		return err
	}
	answer := testAnswer{Results: results}
	for i := range results {
		if results[i].Passed {
			answer.Passed++
		} else {
			answer.Failed++
		}
	}
	return encode(w, http.StatusOK, answer)
}

// check reads and checks a body of documents.
func (s *server) check(w http.ResponseWriter, r *http.Request) (*rules.Set, []syntax.Problem, error) {
	body, err := readDocuments(w, r)
	if err != nil {
		return nil, nil, err
	}
	set, problems := rules.Check(s.rules.Current(), rules.Source{Name: bodyName, Text: body})
	if syntax.Failed(problems) {
		return nil, nil, &rules.InvalidError{Problems: problems}
	}
	return set, problems, nil
}
