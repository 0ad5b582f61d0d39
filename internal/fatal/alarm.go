// Package fatal turns the fatal reports of a Pebble database into errors.
// Pebble's own answer to corruption and to a full disk is to end the process;
// here the one part that uses the database stops, and says why.
package fatal

import (
	"fmt"
	"runtime"
	"sync"
)

// An Alarm keeps the first fatal report of one database. It is a
// pebble.Logger. It is safe for concurrent use.
type Alarm struct {
	name string
	once sync.Once
	rang chan struct{} // closed after err is set
	err  error
}

// New returns an alarm whose reports begin with the name of the database.
func New(name string) *Alarm { return &Alarm{name: name, rang: make(chan struct{})} }

// Infof implements pebble.Logger: the database's chatter is not kept.
func (a *Alarm) Infof(string, ...any) {}

// Errorf implements pebble.Logger: errors come back from the calls.
func (a *Alarm) Errorf(string, ...any) {}

// Fatalf implements pebble.Logger. It does not return, as the caller expects:
// the goroutine ends. The database is not to be used again.
func (a *Alarm) Fatalf(format string, args ...any) {
	a.Ring(fmt.Errorf(a.name+" gave up: "+format, args...))
	runtime.Goexit()
}

// Ring reports err, unless something was reported before.
func (a *Alarm) Ring(err error) {
	a.once.Do(func() {
		a.err = err
		close(a.rang)
	})
}

// Err returns what was reported, or nil.
func (a *Alarm) Err() error {
	select {
	case <-a.rang:
		return a.err
	default:
		return nil
	}
}

// Guard calls f, which uses the database, and returns its error, or the
// report that ended it. f runs on a goroutine of its own, since a report ends
// the goroutine that it comes from. A panic of f is a report: the database
// panics where it cannot sync a directory.
func (a *Alarm) Guard(f func() error) error {
	if err := a.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				a.Ring(fmt.Errorf("%s gave up: %v", a.name, v))
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-a.rang:
		return a.err
	}
}

// Close closes the database with f, and returns its error. After a report
// nobody waits for f: it may wait for ever for a goroutine that a report has
// ended.
func (a *Alarm) Close(f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- fmt.Errorf("closing %s: %v", a.name, v)
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-a.rang:
		return a.err
	}
}
