package fatal_test

import (
	"errors"
	"testing"

	"github.com/caltrop/caltrop/internal/fatal"
)

var errCall = errors.New("call")

func TestGuardReturnsTheErrorOfTheCall(t *testing.T) {
	a := fatal.New("the store")
	if err := a.Guard(func() error { return errCall }); !errors.Is(err, errCall) || a.Err() != nil {
		t.Errorf("got %v, reported %v", err, a.Err())
	}
}

func TestReportEndsTheCallAndAllLaterOnes(t *testing.T) {
	a := fatal.New("the store")
	for range 2 {
		err := a.Guard(func() error {
			a.Fatalf("disk %s", "full")
			return errCall
		})
		if want := "the store gave up: disk full"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestPanicIsAReport(t *testing.T) {
	a := fatal.New("the store")
	err := a.Guard(func() error { panic("no sync") })
	if want := "the store gave up: no sync"; err == nil || err.Error() != want || a.Err() == nil {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCloseDoesNotWaitAfterAReport(t *testing.T) {
	a := fatal.New("the store")
	if err := a.Close(func() error { return errCall }); !errors.Is(err, errCall) {
		t.Errorf("got %v, want the error of the call", err)
	}
	a.Ring(errCall)
	forever := make(chan struct{})
	defer close(forever)
	if err := a.Close(func() error { <-forever; return nil }); !errors.Is(err, errCall) {
		t.Errorf("got %v, want what was reported", err)
	}
}
