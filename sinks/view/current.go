package view

// A Current is what a projection has of one key of a view.
type Current struct {
	Found  bool
	Update []byte // the newest update, as JSON; nil where there is none, or it is not to be believed
	// What is wrong with the answer; each leaves the rest as it is.
	Stale     bool // the window is open and should have ended long ago: updates are late or lost
	Oversized bool // what is stored is larger than any update: it is not read
	Malformed bool // what is stored is no update of this view and key
}
