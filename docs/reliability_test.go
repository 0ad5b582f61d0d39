package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// faultRow is a row of the table: number, what, tests, result.
var faultRow = regexp.MustCompile(`(?m)^\| (\d+) \| [^|]+ \| ([^|]+) \|([^|]*)\|$`)

// TestFaultTable holds the table of faults and the names of the tests to each
// other: every number has its row, every numbered test stands in the rows of its
// numbers, and every test that a row names is there.
func TestFaultTable(t *testing.T) {
	page, err := os.ReadFile("reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	name := regexp.MustCompile("`(Test\\w+)`")
	for _, row := range faultRow.FindAllStringSubmatch(string(page), -1) {
		number := row[1]
		if len(number) == 1 {
			number = "0" + number
		}
		if _, twice := rows[number]; twice {
			t.Errorf("fault %s has two rows", number)
		}
		rows[number] = []string{}
		for _, m := range name.FindAllStringSubmatch(row[2], -1) {
			rows[number] = append(rows[number], m[1])
		}
		if none := row[2] == "not yet"; none != (len(rows[number]) == 0) || none != (strings.TrimSpace(row[3]) == "") {
			t.Errorf("fault %s: want tests and a result, or \"not yet\": %s", number, row[0])
		}
	}
	tests := testsOfTheTree(t)
	for number, names := range rows {
		for _, n := range names {
			if !tests[n] || !slices.Contains(numbersOf(n), number) {
				t.Errorf("fault %s: there is no test %s, or it is not of that number", number, n)
			}
		}
	}
	for n := range tests {
		for _, number := range numbersOf(n) {
			if !slices.Contains(rows[number], n) {
				t.Errorf("%s is not in the row of fault %s", n, number)
			}
		}
	}
	if len(rows) != 57 {
		t.Errorf("%d rows, want 1 to 57", len(rows))
	}
}

var faultNumbers = regexp.MustCompile(`^Test((?:T\d\d)+)`)

// numbersOf returns the numbers of the faults that a test is of.
func numbersOf(test string) []string {
	m := faultNumbers.FindStringSubmatch(test)
	if m == nil || strings.Contains(test, "/") {
		return nil
	}
	return strings.Split(m[1], "T")[1:]
}

// TestLedgerNamesTests makes sure that the tests of the ledger of bugs exist.
func TestLedgerNamesTests(t *testing.T) {
	page, err := os.ReadFile("reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, ledger, found := strings.Cut(string(page), "## Bugs that faults have found")
	if !found {
		t.Fatal("the page has no ledger")
	}
	tests := testsOfTheTree(t)
	names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(ledger, -1)
	for _, m := range names {
		if !tests[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
	if len(names) == 0 {
		t.Error("the ledger names no test")
	}
}
