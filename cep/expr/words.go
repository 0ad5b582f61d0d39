package expr

import (
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

// typeWords is a type in words a rule author knows, with CEL's name.
func typeWords(t *types.Type) string {
	if t == nil {
		return "unknown"
	}
	if t.IsExactType(stepType) {
		return "a step"
	}
	switch t.Kind() {
	case types.StringKind:
		return "text (string)"
	case types.IntKind:
		return "a whole number (int)"
	case types.DoubleKind:
		return "a number (double)"
	case types.BoolKind:
		return "true or false (bool)"
	case types.TimestampKind:
		return "a time (timestamp)"
	case types.DurationKind:
		return "a length of time (duration)"
	case types.ListKind:
		return "a list of " + pluralWords(t.Parameters()[0])
	case types.NullTypeKind:
		return "nothing"
	}
	return "of type " + celWord(t)
}

func pluralWords(t *types.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return "texts (strings)"
	case types.IntKind:
		return "whole numbers (ints)"
	case types.DoubleKind:
		return "numbers (doubles)"
	case types.BoolKind:
		return "bools"
	case types.TimestampKind:
		return "times (timestamps)"
	case types.DurationKind:
		return "lengths of time (durations)"
	}
	return celWord(t)
}

// celWord is a type as CEL's functions spell it.
func celWord(t *types.Type) string {
	switch t.Kind() {
	case types.TimestampKind:
		return "timestamp"
	case types.DurationKind:
		return "duration"
	case types.ListKind:
		return "list(" + celWord(t.Parameters()[0]) + ")"
	}
	return t.String()
}

func wantWords(t event.Type) string {
	if t == event.Bool {
		return "true or false"
	}
	return typeWords(celType(t))
}

func wantHint(want, got event.Type) string {
	switch {
	case want == event.Double && got == event.Int:
		return "double(…)"
	case want == event.Bool && got != event.Invalid:
		return "compare it with something"
	}
	return ""
}

func resultHint(t *types.Type) string {
	switch t.Kind() {
	case types.ListKind:
		if t.Parameters()[0].Kind() == types.StringKind {
			return `LIST.join(", ")`
		}
		return "an aggregate such as count or max, or one element: LIST[0]"
	case types.UintKind:
		return "int(…)"
	}
	return ""
}
