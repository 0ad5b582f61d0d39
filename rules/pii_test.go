package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

const hashedStream = `apiVersion: caltrop/v1
kind: Stream
name: private
source: {topic: private}
time: {field: ts, unit: ms}
partition_key: mail
fields: {mail: {type: string, pii: hash}}
`

// Without a key a stream that hashes is refused; one that another process has
// stored is a fault of the set.
func TestAStreamThatHashesNeedsAKey(t *testing.T) {
	log := &rules.MemoryLog{}
	change := rules.Change{Kind: rules.KindStream, Name: "private", Text: []byte(hashedStream)}
	without := start(t, log)
	_, _, err := without.Put(t.Context(), change)
	var invalid *rules.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "no key to hash") || invalid.Problems[0].Line != 7 {
		t.Fatalf("without a key: %v", err)
	}
	with := rules.NewRegistry(rules.Options{Log: log, HashKey: []byte("a key of this test")})
	run(t, with)
	rev, _, err := with.Put(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if key := with.Current().Stream("private").Decl().HashKey; string(key) != "a key of this test" {
		t.Errorf("the stream's decoder hashes with %q", key)
	}
	for without.Current().Version < 1 { // the offset of the head behind the revision
		moved := without.Changed()
		if without.Current().Version < 1 {
			<-moved
		}
	}
	if faults := without.Current().Faults; len(faults) != 1 || !strings.Contains(faults[0].String(), "no key to hash") {
		t.Errorf("revision %d, faults %v", rev.Revision, faults)
	}
}
