package ceptest_test

import (
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
)

// How many cases the corpus has: a file cut short must not pass.
const (
	flinkCases       = 191
	flinkRandomCases = 286
	namedCases       = 116
	pageCases        = 84
	sentenceCases    = 136
	valueCases       = 182
	documentCases    = 69
	combinationCases = 236
)

func TestOracleFlink(t *testing.T) { judgeCorpus(t, ceptest.FlinkCases, flinkCases) }

func TestOracleFlinkRandom(t *testing.T) {
	judgeCorpus(t, ceptest.FlinkRandomCases, flinkRandomCases)
}

func TestOracleNamed(t *testing.T) { judgeCorpus(t, ceptest.NamedCases, namedCases) }

func TestOraclePage(t *testing.T) { judgeCorpus(t, ceptest.PageCases, pageCases) }

func TestOracleSentences(t *testing.T) { judgeCorpus(t, ceptest.SentenceCases, sentenceCases) }

func TestOracleValues(t *testing.T) { judgeCorpus(t, ceptest.ValueCases, valueCases) }

func TestOracleDocuments(t *testing.T) { judgeCorpus(t, ceptest.DocumentCases, documentCases) }

func TestOracleCombinations(t *testing.T) {
	judgeCorpus(t, ceptest.CombinationCases, combinationCases)
}

func judgeCorpus(t *testing.T, read func() ([]ceptest.Case, error), want int) {
	cases, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != want {
		t.Errorf("the corpus has %d cases, want %d", len(cases), want)
	}
	for i := range cases {
		if slices.Contains(cases[i].Tags, "bounds") {
			continue
		}
		t.Run(cases[i].ID, func(t *testing.T) { judgeCase(t, &cases[i]) })
	}
}

func judgeCase(t *testing.T, c *ceptest.Case) {
	s, err := ceptest.Parse(c.Rule)
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := s.Judge(c.Lines)
	if err != nil {
		t.Fatal(err)
	}
	var got []ceptest.Outcome
	for i := range alerts {
		got = append(got, ceptest.OutcomeOf(&alerts[i]))
	}
	if diff := c.Differ(got); diff != "" {
		t.Errorf("%s\ndiffers from the corpus:\n%s", c.Rule, diff)
	}
}
