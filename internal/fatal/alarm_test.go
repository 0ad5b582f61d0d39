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
