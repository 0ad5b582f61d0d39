//go:build e2e

package faults

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/loadtest/fraudgen"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestDeletedGroupsChangeNothing deletes the consumer groups of a job: while it runs
// the broker refuses that, and when nothing runs all their offsets are gone. Tasks go
// on where they committed themselves; the history and a webhook are given all alerts
// again, as they were.
func TestDeletedGroupsChangeNothing(t *testing.T) {
	t.Parallel()
	r := newLifeRig(t)
	r.rules = r.rulesNamed("failed-payments")
	in := r.generated(fraudgen.Options{Seed: 41, Count: 5000, Rate: 2, Cards: 100, Disorder: 20 * time.Second, Duplicates: 0.01, Incidents: 0.02}, 0)
	want := r.matched(in)
	hook := r.newReceiver("failed-payments")
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.store(a)
	a.put("sinks", "pager", hook.document())
	r.settled(patience, a)
	half := len(in.records) / 2
	r.send(in.records[:half])
	r.drained(patience, a)
	for group, code := range r.deleteGroups() {
		if code != ck.ErrNonEmptyGroup {
			t.Errorf("while the process runs, deleting %s: %v, want that the group is in use", group, code)
		}
	}
	r.send(in.records[half : half+half/2])
	r.drained(patience, a)
	eventually(t, patience, hook.lacks)
	a.terminate()
	before := r.committed()
	gone := r.deleteGroups()
	for group, code := range gone {
		if code != ck.ErrNoError {
			t.Errorf("when nothing runs, deleting %s: %v", group, code)
		}
	}
	if len(gone) != 3 || len(before) < 5 {
		t.Errorf("groups %v with %d alerts: want those of the tasks, the history and the webhook, and some alerts", gone, len(before))
	}
	a.start()
	r.send(in.records[half+half/2:])
	r.settled(patience, a)
	r.drained(patience, a)
	r.same(in, want, a)
	eventually(t, patience, hook.lacks)
	if hook.again == 0 {
		t.Error("the webhook was given nothing again: its group's offsets were not deleted")
	}
	hook.report()
	t.Logf("%d events, %d alerts, %d of them before the groups were deleted; 0 lost, 0 twice, 0 wrong", len(in.records), len(want), len(before))
}

// deleteGroups asks the broker to delete the groups of the rig's job, and returns
// what it says to each.
func (r *rig) deleteGroups() map[string]ck.ErrorCode {
	r.t.Helper()
	admin, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": r.Brokers})
	if err != nil {
		r.t.Fatal(err)
	}
	defer admin.Close()
	listed, err := admin.ListConsumerGroups(r.t.Context(), ck.SetAdminRequestTimeout(30*time.Second))
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, g := range listed.Valid {
		names = append(names, g.GroupID)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, r.Name+".") || name == r.Name+".reader" })
	deleted, err := admin.DeleteConsumerGroups(r.t.Context(), names, ck.SetAdminRequestTimeout(30*time.Second))
	if err != nil {
		r.t.Fatal(err)
	}
	said := map[string]ck.ErrorCode{}
	for _, g := range deleted.ConsumerGroupResults {
		said[g.Group] = g.Error.Code()
	}
	return said
}
