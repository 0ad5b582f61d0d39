package expr

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

const (
	costText  = 1024 // bytes that the cost bound takes for a string
	costLists = 1000 // events that it takes for a list when the scope does not say
)

// sizes tells cel-go's estimator how large things can be.
type sizes struct{ list uint64 }

// EstimateSize gives the size of a datum; nil leaves what is made inside the
// expression to the estimator.
func (s sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	if len(node.Path()) == 0 {
		return nil
	}
	switch node.Type().Kind() {
	case types.StringKind:
		return &cost.SizeEstimate{Min: 0, Max: costText}
	case types.ListKind:
		return &cost.SizeEstimate{Min: 0, Max: s.list}
	}
	return nil
}

// EstimateCallCost charges our list aggregates a unit an element, and one for
// what is read of a list. What a number is written as is a text like any.
func (s sizes) EstimateCallCost(function, overload string, target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if _, ok := aggregates[function]; ok {
		return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: 0, Max: s.list}}
	}
	if function == overloads.TypeConvertString && args[0].Type().Kind() != types.StringKind && args[0].Type().Kind() != types.BytesKind {
		return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: 1, Max: 1}, ResultSize: &cost.SizeEstimate{Max: costText}}
	}
	if isListCall(function) {
		size := uint64(costText)
		if strings.HasSuffix(function, event.StringList.String()) {
			size = s.list
		}
		return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: 1, Max: 1}, ResultSize: &cost.SizeEstimate{Max: size}}
	}
	return nil
}

// join charges a unit an element. What is joined is a text like any, not as long
// as all elements could make it.
func (s sizes) join(cost.Estimator, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: 1, Max: s.list}, ResultSize: &cost.SizeEstimate{Max: costText}}
}

// estimate bounds the cost of a checked expression by cel-go's estimator, with
// what its extensions know of their functions.
func estimate(checked *ast.AST, lists int) (uint64, error) {
	if lists <= 0 {
		lists = costLists
	}
	plain, err := ast.ToProto(checked)
	if err != nil {
		return 0, fmt.Errorf("copying the expression for its cost: %w", err)
	}
	s := sizes{list: uint64(lists)}
	bound, err := caltrop.env.EstimateCost(cel.CheckedExprToAst(plain), s, cost.OverloadCostEstimate("list_join", s.join), cost.OverloadCostEstimate("list_join_string", s.join))
	if err != nil {
		return 0, fmt.Errorf("estimating the cost: %w", err)
	}
	return bound.Max, nil
}

func costError(units uint64, at int) Error {
	return Error{
		Offset: at,
		Detail: fmt.Sprintf("the expression may cost %s; the limit is %d", costWords(units), CostLimit),
		Hint:   "a text counts 1 KiB, a list limits.evidence elements: compare less, or lower the limit",
	}
}

func costWords(cost uint64) string {
	if cost == ^uint64(0) {
		return "without bound"
	}
	return fmt.Sprint(cost)
}
