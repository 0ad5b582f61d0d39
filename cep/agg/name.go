package agg

var names = [...]string{"count", "sum", "avg", "min", "max", "stddev", "distinct", "first", "last", "percentile"}

// String returns the function's name in the language.
func (f Func) String() string { return names[f] }
