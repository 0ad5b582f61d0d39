package syntax_test

import (
	"runtime"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
)

// Quotes are tried once at a place: where they do not help, trying again would
// double those before, and a line of a page would take gigabytes.
func TestQuotesAreTriedOnce(t *testing.T) {
	src := "apiVersion: caltrop/v1\nkind: Rule\nname: a\nwindow: {stream: payment, where: 'status == \"x\"'es nolling: count(), total: sum(shops: distinct(merchant), )}\n"
	const allocatedMax = 1 << 20 // bytes
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, problems := syntax.Parse("a.yaml", []byte(src))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > allocatedMax {
		t.Errorf("%d bytes allocated to refuse a document of %d", n, len(src))
	}
	if len(problems) != 1 {
		t.Errorf("problems: %v", problems)
	}
}
