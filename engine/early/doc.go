// Package early is what a task knows of a key ahead of the watermark: early
// alerts, their corrections, and suppression (language §5 and §6). It is pure.
//
// The state of a rule and key in task.State is always that of the watermark:
// timing early changes nothing about it. On top of it lie two things.
//
// A View holds, in key order, the events of a rule and key that the watermark
// has not passed, and the state after the last of them. An event that comes in
// order moves that state by one step; one that comes out of order makes the
// task run all held events again, from the state of the watermark. A View is a
// cache: after a restart it is made again from the task's held events.
//
// A Book holds what has been said of a rule's key: every alert that is not
// final yet, with its version, and the suppression periods. To Settle a Book
// is to compare what the events say now with what it says: the difference are
// the versions to send. When the watermark passes an event, the alerts that it
// completes are settled once more, with the outcome of the final run, and are
// final. A Book is a record of task.State, so a crash changes nothing.
package early
