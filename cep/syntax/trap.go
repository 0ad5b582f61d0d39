package syntax

func (r *reader) syntaxError(err error) {
	r.refuse(Pos{Line: r.chunk.from + 1, Col: 1}, "", err.Error(), "")
}
func (r *reader) quotedHint(at Pos) string        { return "" }
func (r *reader) trapHint(v *value) string        { return "" }
func (r *reader) cut(n any, i int, v *value) bool { return false }
