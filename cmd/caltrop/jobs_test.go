package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/internal/api"
)

func TestTasksAreShownWhole(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := taskOf(&kafka.TaskStatus{
		ID: kafka.TaskID{Job: "main", Input: "payment", Partition: 3}, Topic: "payments", State: kafka.StateLive,
		Position: task.Position{Offset: 7, Seq: 2}, Lag: 5, Watermark: noon.UnixMicro(), RulesVersion: 4,
		Counts:     task.Counts{Records: 7, Accepted: 3, Late: 2, Dead: 1, Duplicates: 1},
		Checkpoint: noon.Add(time.Minute), CheckpointError: "disk full", CheckpointFails: noon.Add(2 * time.Minute),
		Rules:   []task.RuleStatus{{Ref: task.Ref{Name: "probe", Revision: 2}, Live: true, Covered: noon.UnixMicro()}, {Ref: task.Ref{Name: "probe", Revision: 1}}},
		Warming: &kafka.WarmUp{Rules: []task.Ref{{Name: "storm", Revision: 1}}, Read: 10, Left: 3},
	})
	want := api.Task{
		Input: "payments", Role: "direct", Stream: "payment", Partition: 3, State: "live", Position: api.Position{Offset: 7, Seq: 2}, Lag: 5,
		Watermark: "2026-03-01T12:00:00Z", Rules: 4, Counts: api.Counts{Records: 7, Accepted: 3, Late: 2, Dead: 1, Duplicates: 1},
		Checkpoint: "2026-03-01T12:01:00Z", CheckpointError: "disk full", CheckpointFails: "2026-03-01T12:02:00Z",
		Running: []api.RuleAtWork{{Name: "probe", Revision: 2, Mode: "live", Covered: "2026-03-01T12:00:00Z"}, {Name: "probe", Revision: 1, Mode: "live", Ending: true}},
		Warming: &api.WarmUp{Rules: []string{"storm/1"}, Read: 10, Left: 3},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	for input, want := range map[string]string{"route.payment": "route payment", "keyed.card_id": "keyed keyed.card_id"} {
		shown := taskOf(&kafka.TaskStatus{ID: kafka.TaskID{Job: "main", Input: input}})
		if got := shown.Role + " " + shown.Stream; got != want {
			t.Errorf("a task of %s is shown as %s, want %s", input, got, want)
		}
	}
	astray := taskOf(&kafka.TaskStatus{Misplaced: partitioner.Misplaced{Revision: 2, Records: 5, First: 40, Why: partitioner.NoKey}})
	if m := astray.Misplaced; m == nil || *m != (api.Misplaced{Revision: 2, Records: 5, First: 40, Why: partitioner.NoKey}) {
		t.Errorf("misplaced records are shown as %+v", m)
	}
	halted := taskOf(&kafka.TaskStatus{State: kafka.StateHalted, Reason: "topic made anew"})
	if halted.Error != "topic made anew" || halted.Checkpoint != "" || halted.Watermark != "" {
		t.Errorf("a halted task that never made a checkpoint: %+v", halted)
	}
}

// With --json a job is a line, with its savepoints.
func TestJobsAsJSON(t *testing.T) {
	answers := http.NewServeMux()
	answers.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"jobs":[{"name":"main","instance":"a","rules":["probe"],"paths":[],"missing_topics":[],"tasks":[]}]}`)
	})
	answers.HandleFunc("GET /v1/jobs/main/savepoints", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"savepoints":[{"name":"s1","job":"main","state":"complete","asked":"t","tasks":["x"],"done":["x"]}]}`)
	})
	server := httptest.NewServer(answers)
	defer server.Close()
	out, err := command(t, "jobs", "ls", "--api", server.URL, "--json")
	want := `{"name":"main","instance":"a","rules":["probe"],"paths":[],"missing_topics":[],"tasks":[],"savepoints":[{"name":"s1","job":"main","state":"complete","asked":"t","tasks":["x"],"done":["x"]}]}` + "\n"
	if err != nil || out != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, out, want)
	}
	if out, err := command(t, "jobs", "ls", "--api", server.URL); err != nil || !strings.Contains(out, "savepoint main/s1") {
		t.Errorf("%v\n%s", err, out)
	}
}
