package state

// fetch has the processor bring four cache lines, a record's head and what
// changes at each event, while it goes on. It reads nothing itself.
//
//go:noescape
func fetch(record *byte)
