package expr

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/agg"
)

// elsewhere maps words and functions of other languages to ours.
var elsewhere = map[string]string{
	"and": "write && for and", "AND": "write && for and", "or": "write || for or", "OR": "write || for or",
	"not": "write ! for not", "NOT": "write ! for not", "is": "write == for is", "IS": "write == for is",
	"like": "write text.contains(\"…\") or text.matches(\"…\")", "LIKE": "write text.contains(\"…\") or text.matches(\"…\")",
	"between": "write a <= x && x <= b", "BETWEEN": "write a <= x && x <= b", "IN": "write in",
	"average": "did you mean avg?", "mean": "did you mean avg?", "maximum": "did you mean max?", "minimum": "did you mean min?",
	"total": "did you mean sum?", "unique": "did you mean distinct?", "len": "did you mean size?", "length": "did you mean size?",
	"lower": "did you mean TEXT.lowerAscii()?", "upper": "did you mean TEXT.upperAscii()?", "now": "time is the event's time",
}

const aggregateHint = "aggregates are count, sum, avg, min, max, stddev, distinct, first, last"

var (
	wordAt     = regexp.MustCompile(`^'?([A-Za-z]+)`)
	openInList = regexp.MustCompile(`\bin\s*\([^()]*$`)
)

// syntaxHint says what to write in place of what the parser stumbled over at
// a byte offset; sure is true where it is a known mistake, after which the
// parser's further errors only confuse.
func syntaxHint(text string, at int, message string) (hint string, sure bool) {
	rest := text[min(at, len(text)):]
	if m := wordAt.FindStringSubmatch(rest); m != nil && elsewhere[m[1]] != "" {
		return elsewhere[m[1]], true
	}
	switch {
	case badEscape.MatchString(message):
		return `a \ itself is written "\\"; others are \n, \t, \", \', \x41 and \u0041`, true
	case strings.HasSuffix(message, "invalid int literal"):
		return "whole numbers end at 9223372036854775807; with .0 it is a number with decimals", true
	case strings.HasSuffix(message, "invalid double literal"):
		return "numbers end at 1.8e308", true
	case strings.HasPrefix(rest, "=>"):
		return "greater or equal is written >=", true
	case strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "=="):
		return "equality is written ==", true
	case strings.HasPrefix(rest, "<>"):
		return "inequality is written !=", true
	case strings.HasPrefix(rest, "&") || strings.HasPrefix(rest, "|"):
		return "write && for and, || for or", true
	case strings.HasPrefix(rest, ",") && digitBefore(text, at):
		return "numbers are written without commas: 1000", true
	case wordAt.MatchString(rest) && digitBefore(text, at):
		return `a length of time is written duration("5m")`, true
	case openInList.MatchString(text[:min(at, len(text))]):
		return `a list is written in brackets: x in ["a", "b"]`, true
	case strings.Contains(message, "missing ')'"):
		return "count the parentheses", true
	case at >= len(strings.TrimRight(text, " \t\r\n")):
		return "finish the expression, or delete its last operator", true
	}
	return "check what stands just before it", false
}

func digitBefore(text string, at int) bool {
	return 0 < at && at <= len(text) && '0' <= text[at-1] && text[at-1] <= '9'
}

// operatorHint says how two operands could be made to fit.
func (c *check) operatorHint(checked *ast.AST, name string, args []ast.Expr) string {
	if len(args) != 2 {
		return ""
	}
	if name == operators.Modulo && (isKind(checked, args[0], types.DoubleKind) || isKind(checked, args[1], types.DoubleKind)) {
		return "% is for whole numbers"
	}
	for i, e := range args {
		if h := c.sideHint(checked, e, args[1-i]); h != "" {
			return h
		}
	}
	return "both sides need one type; double(…), int(…) and string(…) convert"
}

func (c *check) sideHint(checked *ast.AST, e, other ast.Expr) string {
	is := func(e ast.Expr, k types.Kind) bool { return isKind(checked, e, k) }
	number := is(other, types.IntKind) || is(other, types.DoubleKind)
	switch {
	case is(e, types.IntKind) && is(other, types.DoubleKind):
		return fmt.Sprintf("double(%s)", c.brief(e))
	case is(e, types.NullTypeKind):
		return fmt.Sprintf("has(%s) asks whether it is there", c.brief(other))
	case is(e, types.DurationKind) && number:
		return `a length of time is written duration("5m"); seconds(…) makes a number of it`
	case is(e, types.TimestampKind) && is(other, types.StringKind):
		return fmt.Sprintf("timestamp(%s)", c.brief(other))
	case is(e, types.ListKind) && !is(other, types.ListKind) && is(other, types.StringKind):
		return fmt.Sprintf("%s in %s", c.brief(other), c.brief(e))
	case is(e, types.ListKind) && !is(other, types.ListKind):
		return fmt.Sprintf("an aggregate makes one value of a list: max(%s), avg(%s), last(%s)", c.brief(e), c.brief(e), c.brief(e))
	case is(e, types.StringKind) && e.Kind() == ast.LiteralKind && !is(other, types.StringKind) && !is(other, types.ListKind):
		return "only text is written in quotes"
	}
	return ""
}

// aggregateTypeHint says which aggregate takes what is no number.
func aggregateTypeHint(fn agg.Func, text string) string {
	if aggTakes(fn) == "numbers" {
		return fmt.Sprintf("count and distinct take any field: distinct(%s)", text)
	}
	return "count and distinct take any field"
}

// absentHint says what an unknown name may have been meant for.
func (r *resolver) absentHint(name string) string {
	if r.sc.Event == nil {
		many := ""
		for _, s := range r.sc.Steps {
			switch {
			case s.Schema == nil || s.Schema.Index(name) < 0:
			case !s.Many:
				return fmt.Sprintf("a field needs its step: %s.%s", s.Name, name)
			case many == "":
				many = fmt.Sprintf("a field needs its step: max(%s.%s), last(%s.%s)", s.Name, name, s.Name, name)
			}
		}
		if many != "" {
			return many
		}
	}
	hint := suggest(name, r.visible())
	if strings.HasPrefix(hint, "there are") {
		return fmt.Sprintf("text is written in quotes: %q; the names here are: %s", name, strings.TrimPrefix(hint, "there are: "))
	}
	return cmp.Or(elsewhere[name], hint)
}
