package expr

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/parser"
)

// A language is CEL with our functions and without cel-go's has() macro: what
// every expression shares. It is built once and never changes.
type language struct {
	env     *cel.Env
	checker *checker.Env
	impl    map[string]*functions.Overload // by function name
}

const (
	// textMax bounds an expression's text, in bytes.
	textMax = 16 << 10
	// depthMax bounds how deep parts of an expression are nested: checking
	// nested lists takes time that grows with the cube of the depth.
	depthMax = 100
)

var caltrop = newLanguage()

// stepType is the type of a step's bare name, legal only in count and has.
var stepType = types.NewOpaqueType("step")

func newLanguage() *language {
	env, err := cel.NewEnv(options()...)
	if err != nil {
		panic(fmt.Sprintf("expr: building the CEL environment: %v", err))
	}
	l := &language{env: env, impl: make(map[string]*functions.Overload)}
	l.checker, err = checker.NewEnv(env.Container, env.CELTypeProvider())
	if err != nil {
		panic(fmt.Sprintf("expr: building the type checker: %v", err))
	}
	if err := l.checker.AddIdents(env.Variables()...); err != nil {
		panic(fmt.Sprintf("expr: declaring CEL's names: %v", err))
	}
	for name, fn := range env.Functions() {
		if fn.IsDeclarationDisabled() {
			continue
		}
		if err := l.checker.AddFunctions(fn); err != nil {
			panic(fmt.Sprintf("expr: declaring %s: %v", name, err))
		}
		bindings, err := fn.Bindings()
		if err != nil {
			panic(fmt.Sprintf("expr: binding %s: %v", name, err))
		}
		for _, b := range bindings {
			if b.Operator == name {
				l.impl[name] = b
			}
		}
	}
	return l
}

func options() []cel.EnvOption {
	opts := []cel.EnvOption{
		cel.ClearMacros(),
		cel.Macros(cel.AllMacro, cel.ExistsMacro, cel.ExistsOneMacro, parser.ExistsOneMacroNew,
			cel.MapMacro, cel.MapFilterMacro, cel.FilterMacro),
		ext.Strings(), ext.Math(),
		cel.ParserRecursionLimit(depthMax),
	}
	opts = append(opts, geoFunctions()...)
	opts = append(opts, listFunctions()...)
	return append(opts, listAggregates()...)
}

// checkerFor returns a type checker that also knows the given names.
func (l *language) checkerFor(data []*datum) (*checker.Env, error) {
	env, err := checker.NewEnv(l.env.Container, l.env.CELTypeProvider(), checker.ValidatedDeclarations(l.checker))
	if err != nil {
		return nil, fmt.Errorf("building the type checker: %w", err)
	}
	for _, d := range data {
		if err := env.AddIdents(d.declaration()); err != nil {
			return nil, fmt.Errorf("declaring %s: %w", d.text, err)
		}
	}
	return env, nil
}

// has reports whether a function of that (qualified) name exists.
func (l *language) has(function string) bool { return l.env.HasFunction(function) }
