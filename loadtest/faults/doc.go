// Package faults runs the real program against real servers and hurts it: it
// starts processes of `caltrop serve`, kills them without warning while events
// stream in, and compares the committed alerts with what `caltrop match` and
// the naive oracle say about the same events. Its tests carry the build tag
// e2e and need the servers of deploy/local; flags after -args choose the size.
// Tests that take a server away from the others come first, one by one; the
// others wait more than they work, and are parallel.
package faults
