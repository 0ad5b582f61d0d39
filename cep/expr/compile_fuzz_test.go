package expr

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// FuzzCompile: any text is compiled or refused with errors inside the text,
// and what is compiled evaluates without a panic.
func FuzzCompile(f *testing.F) {
	for _, src := range holds {
		f.Add(src)
	}
	for _, src := range faulty {
		f.Add(src)
	}
	for _, w := range wrong {
		f.Add(strings.Replace(w.src, "^", "", 1))
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, errs := Compile(src, event.Invalid, where())
		if (p == nil) == (len(errs) == 0) {
			t.Fatalf("%q: program %v, errors %v", src, p, errs)
		}
		for _, e := range errs {
			if e.Offset < 0 || e.Offset > len(src) || e.Detail == "" {
				t.Fatalf("%q: error %+v", src, e)
			}
		}
		if p != nil {
			p.Eval(whereFrame())
		}
		if tpl, _ := CompileTemplate(src, where()); tpl != nil {
			tpl.Append(nil, whereFrame())
		}
		aggs := &WindowAggs{}
		Compile(src, event.Invalid, &Scope{Event: payment, Window: aggs, At: true})
	})
}
