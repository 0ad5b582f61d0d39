package expr

import (
	"math"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// earthKm is the mean radius of the earth (IUGG).
const earthKm = 6371.0088

// haversine is the great-circle distance in km between two points in degrees
// (R. W. Sinnott, Sky and Telescope 68, 1984).
func haversine(lat1, lon1, lat2, lon2 float64) float64 {
	const degree = math.Pi / 180
	dLat, dLon := (lat2-lat1)*degree/2, (lon2-lon1)*degree/2
	s := math.Sin(dLat)*math.Sin(dLat) + math.Cos(lat1*degree)*math.Cos(lat2*degree)*math.Sin(dLon)*math.Sin(dLon)
	return 2 * earthKm * math.Asin(math.Sqrt(min(1, s)))
}

// units are the functions from a duration to a double, with their ns.
var units = map[string]float64{"seconds": 1e9, "minutes": 60e9, "hours": 3600e9}

func geoFunctions() []cel.EnvOption {
	d := types.DoubleType
	opts := []cel.EnvOption{
		cel.Function("geo.km", cel.Overload("geo_km_double", []*types.Type{d, d, d, d}, d,
			cel.FunctionBinding(func(a ...ref.Val) ref.Val {
				return types.Double(haversine(float64(a[0].(types.Double)), float64(a[1].(types.Double)),
					float64(a[2].(types.Double)), float64(a[3].(types.Double))))
			}))),
	}
	for name, unit := range units {
		opts = append(opts, cel.Function(name, cel.Overload(name+"_duration", []*types.Type{types.DurationType}, d,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				return types.Double(float64(v.(types.Duration).Duration) / unit)
			}))))
	}
	return opts
}

// listAggregates declares the aggregates over any list; those over a step's
// field never get here.
func listAggregates() []cel.EnvOption {
	scalars := []*types.Type{types.IntType, types.DoubleType, types.StringType, types.BoolType, types.TimestampType, types.DurationType}
	var opts []cel.EnvOption
	for name, fn := range aggregates {
		if fn == agg.Percentile {
			continue
		}
		var forms []cel.FunctionOpt
		for _, t := range scalars {
			et, _ := scalarType(t)
			result, ok := aggResult(fn, et)
			if !ok {
				continue
			}
			spec := agg.Spec{Func: fn, Type: et}
			elem, _ := kindOf(t)
			out, _ := kindOf(celType(result))
			forms = append(forms, cel.Overload(name+"_list_"+t.String(), []*types.Type{types.NewListType(t)}, celType(result),
				cel.UnaryBinding(func(v ref.Val) ref.Val { return aggregateCEL(spec, elem, out, v) })))
		}
		opts = append(opts, cel.Function(name, forms...))
	}
	return opts
}

func aggregateCEL(spec agg.Spec, elem, out kind, v ref.Val) ref.Val {
	list, ok := fromCELList(elem, v)
	if !ok {
		return types.NewErr("%s: a list of mixed types", v.Type().TypeName())
	}
	r, ok := aggregateList(spec, list)
	if !ok {
		return types.NewErr("the aggregate of these values is not defined")
	}
	return toCEL(out, r)
}

func aggregateList(spec agg.Spec, list []event.Value) (event.Value, bool) {
	var acc agg.Acc
	for _, v := range list {
		acc.Add(spec, v)
	}
	return acc.Result(spec)
}

// function compiles the functions that have closures of their own.
func function(name string, args []node) node {
	if fn, ok := aggregates[name]; ok && len(args) == 1 && args[0].kind == isList {
		return listAggregate(fn, args[0])
	}
	switch {
	case units[name] != 0:
		p, unit := args[0].i, units[name]
		return doubleNode(func(f *Frame) (float64, bool) {
			ns, ok := p(f)
			return float64(ns) / unit, ok
		})
	case name == "geo.km":
		return distanceNode(args)
	case name == "double" && args[0].kind == isInt:
		p := args[0].i
		return doubleNode(func(f *Frame) (float64, bool) {
			i, ok := p(f)
			return float64(i), ok
		})
	case len(args) == 2 && args[0].kind == isString && args[1].kind == isString:
		return textTest(name, args[0], args[1])
	}
	return node{}
}

// listAggregate is an aggregate over any list but a step's field.
func listAggregate(fn agg.Func, list node) node {
	t := map[kind]event.Type{
		isInt: event.Int, isDouble: event.Double, isString: event.String,
		isBool: event.Bool, isTime: event.Timestamp, isDuration: event.Duration,
	}[list.elem]
	result, ok := aggResult(fn, t)
	if !ok || t == event.Invalid {
		return node{}
	}
	k, _ := kindOf(celType(result))
	p, spec := list.l, agg.Spec{Func: fn, Type: t}
	return fromValue(k, func(f *Frame) (event.Value, bool) {
		values, ok := p(f)
		if !ok {
			return event.Value{}, false
		}
		return aggregateList(spec, values)
	})
}

func distanceNode(args []node) node {
	a, b, c, d := args[0].d, args[1].d, args[2].d, args[3].d
	return doubleNode(func(f *Frame) (float64, bool) {
		lat1, ok1 := a(f)
		lon1, ok2 := b(f)
		lat2, ok3 := c(f)
		lon2, ok4 := d(f)
		return haversine(lat1, lon1, lat2, lon2), ok1 && ok2 && ok3 && ok4
	})
}

func textTest(name string, x, y node) node {
	var test func(s, t string) bool
	switch name {
	case "startsWith":
		test = strings.HasPrefix
	case "endsWith":
		test = strings.HasSuffix
	case "contains":
		test = strings.Contains
	case "matches":
		if !y.lit {
			return node{}
		}
		re, err := regexp.Compile(y.v.Str())
		if err != nil {
			return node{}
		}
		test = func(s, _ string) bool { return re.MatchString(s) }
	default:
		return node{}
	}
	p, q := x.s, y.s
	return boolNode(func(f *Frame) (bool, bool) {
		s, ok := p(f)
		if !ok {
			return false, false
		}
		t, ok := q(f)
		return ok && test(s, t), ok
	})
}

// bridge calls cel-go's implementation of a function on boxed values.
func (a *assembler) bridge(e ast.Expr, name string, args []node) node {
	impl := caltrop.impl[name]
	k, elem := kindOf(a.checked.GetType(e.ID()))
	if impl == nil || k == noKind || k == isList && (elem == noKind || elem == isList) {
		return a.fail()
	}
	boxes := make([]func(*Frame) (ref.Val, bool), len(args))
	for i, n := range args {
		if n.kind == isList && n.elem == noKind {
			return a.fail()
		}
		boxes[i] = box(n)
	}
	call := func(f *Frame) (ref.Val, bool) {
		vals := make([]ref.Val, len(boxes))
		for i, b := range boxes {
			v, ok := b(f)
			if !ok {
				return nil, false
			}
			vals[i] = v
		}
		var out ref.Val
		switch {
		case len(vals) == 1 && impl.Unary != nil:
			out = impl.Unary(vals[0])
		case len(vals) == 2 && impl.Binary != nil:
			out = impl.Binary(vals[0], vals[1])
		case impl.Function != nil:
			out = impl.Function(vals...)
		default:
			return nil, false
		}
		return out, !types.IsUnknownOrError(out)
	}
	if k == isList {
		return node{kind: isList, elem: elem, l: func(f *Frame) ([]event.Value, bool) {
			v, ok := call(f)
			if !ok {
				return nil, false
			}
			return fromCELList(elem, v)
		}}
	}
	return fromValue(k, func(f *Frame) (event.Value, bool) {
		v, ok := call(f)
		if !ok {
			return event.Value{}, false
		}
		return fromCEL(k, v)
	})
}

func box(n node) func(*Frame) (ref.Val, bool) {
	if n.kind == isList {
		return func(f *Frame) (ref.Val, bool) {
			list, ok := n.l(f)
			if !ok {
				return nil, false
			}
			return toCELList(n.elem, list), true
		}
	}
	get := n.value()
	return func(f *Frame) (ref.Val, bool) {
		v, ok := get(f)
		if !ok {
			return nil, false
		}
		return toCEL(n.kind, v), true
	}
}

func toCELList(elem kind, list []event.Value) ref.Val {
	vals := make([]ref.Val, len(list))
	for i, v := range list {
		vals[i] = toCEL(elem, v)
	}
	return types.NewRefValList(types.DefaultTypeAdapter, vals)
}

func fromCELList(elem kind, v ref.Val) ([]event.Value, bool) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, false
	}
	n := int(list.Size().(types.Int))
	out := make([]event.Value, n)
	for i := range n {
		if out[i], ok = fromCEL(elem, list.Get(types.Int(i))); !ok {
			return nil, false
		}
	}
	return out, true
}

// fromCEL unboxes a value into inner form; false when it is of another type.
func fromCEL(k kind, v ref.Val) (event.Value, bool) {
	switch x := v.(type) {
	case types.Bool:
		return event.BoolOf(bool(x)), k == isBool
	case types.Int:
		return event.IntOf(int64(x)), k == isInt
	case types.Double:
		return event.DoubleOf(float64(x)), k == isDouble
	case types.String:
		return event.StringOf(string(x)), k == isString
	case types.Timestamp:
		return event.IntOf(x.UnixMicro()), k == isTime
	case types.Duration:
		return event.IntOf(int64(x.Duration)), k == isDuration
	}
	return event.Value{}, false
}
