package syntax

// A Problem is one thing wrong with a document, at the place a person can
// mend it.
type Problem struct {
	File    string // as given to Parse
	Line    int    // 1-based; 0 when the whole file is meant
	Col     int    // 1-based, in runes
	Pointer string // RFC 6901 pointer into the document, "" for the root
	Detail  string // what is wrong
	Hint    string // how to mend it, "" when Detail says so
	Source  string // the source line, for the caret
	Warning bool   // the document is usable all the same
}
