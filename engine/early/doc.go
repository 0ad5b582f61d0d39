// Package early is what a task knows of a key ahead of the watermark: early
// alerts, their corrections, and suppression (language §5 and §6). It is pure.
//
// The state of a rule and key in task.State is always that of the watermark:
// timing early changes nothing about it. On top of it lie two things.
//
// A View holds, in key order, the events of a rule and key that the watermark
// has not passed, and copies of the state after each. An event that comes in
// order moves the last of them by one step; one that comes out of order makes
// the task run the events after it again, from the copy before it. When the
// watermark passes an event that nothing came before since it was run, its copy
// becomes the state: nothing is run twice. Of events that cannot raise anything
// (match.Bounded) none is run ahead. A View is a cache: after a restart it is made
// again from the task's held events.
//
// A Book holds what has been said of a rule's key: every alert that is not
// final yet, with its version, and the suppression periods. To Settle a Book
// is to compare what the events say now with what it says: the difference are
// the versions to send. When the watermark passes an event, the alerts that it
// completes are settled once more, with the outcome of the final run, and are
// final. A Book is a record of task.State, so a crash changes nothing.
package early
