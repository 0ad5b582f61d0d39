// Package task is the deterministic core of the engine: one Task turns the
// records of one log into alerts. It owns the sequence decode, reject,
// de-duplicate, hold for the watermark, match in key order, suppress, version;
// it refuses clocks, goroutines, logs and I/O. `match`, `rules test`, the
// Kafka engine and the crash simulation all drive this one type.
//
// # The driver's duties
//
//  1. New makes a task that has read nothing and has no rules. Restore makes
//     one from a snapshot and a State of the same cut.
//  2. Everything that is not a function of the log is an Entry: the rule set
//     (Switch), an idle tick (Tick), a judgement by the reader's clock (Clock),
//     a schema that nobody knows (Strange).
//     A new Entry has Seq 0; Apply numbers it and returns it in
//     Effects.Journal. Clock entries are made by Step itself. The driver writes
//     Effects.Journal in the same transaction as the other effects.
//  3. The first Entry of a task is a Switch; records before it have no rules.
//  4. Call Step for each record in the order of offsets; between records, apply
//     entries. Take the effects, then Reset them. An error from Step or Apply
//     means the task's memory is not to be trusted: drop the task and restore.
//     All that happens at one instant is one step, however much that is: a driver
//     that must go meanwhile says so by Config.Stop.
//  5. In one transaction: alerts, late and dead records, journal, and
//     Progress(). A call without effects needs no transaction.
//  6. After a crash: read the committed Progress, Restore the newest
//     checkpoint, seek to Position().Offset, and replay records and journal
//     entries in the order that Replay gives, with Record.Now 0, dropping the
//     effects, until Position() reaches the committed position. There the
//     digests must agree. Then go live.
//  7. To checkpoint: between two calls take Snapshot() and cut the State.
package task
