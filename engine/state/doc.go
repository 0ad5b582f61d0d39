// Package state keeps what rules remember, by slot and key, in the heap with
// Pebble beneath: a write-back cache with a byte budget. It implements
// task.State. Records live in arenas without pointers, so that the garbage
// collector never walks them. It owns the local database, not checkpoints:
// package checkpoint stores what Cut and Link produce.
//
// Files: arena.go gives out memory, packing.go gives up what lies idle; record.go
// is the layout of one record; table.go finds records; timers.go orders deadlines;
// store.go ties them to task.State; cut.go writes one moment while the task goes
// on, pages.go carries it to the goroutine that does; disk.go is Pebble.
package state
