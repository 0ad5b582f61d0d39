//go:build e2e

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// smallMemory is what a process of TestT37 may take, page cache included.
const smallMemory = 512 << 20

const calmMost = 60 // s, before ten times the load

// TestT37TenTimesTheLoadInSmallMemory lets a process with direct and routed rules
// have 512 MB, and sends ten times the load, for -minutes where they are given, after
// a while of -rate events a second. It must not be killed, and lose and double
// nothing. The limit is that of a control group; where there can be none, the most
// that was resident is compared instead.
func TestT37TenTimesTheLoadInSmallMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.only, r.History, r.Keyed, r.keyedLogs = []string{"payment", "login"}, "pebble", 2, 2
	r.streams, r.Memory = r.keyed("30s", "payment", "login"), "64MiB"
	r.rules = append(append(r.rulesNamed("failed-payments"), "\n---\n"...), routedRules...)
	group := newMemoryGroup(t, smallMemory)
	r.Within = group.dir
	count := *events
	if *minutes > 0 {
		count = int((calmMost + *minutes*60*10) * float64(*rate) * 5 / 4) // four of five are of the two streams
	}
	in := r.generate(*seed, count)
	want := r.matched(in)
	if len(want) < 20 {
		t.Fatalf("only %d alerts are expected: the test would show little", len(want))
	}
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	calm := min(len(in.records)/11, calmMost**rate)
	for _, part := range []struct {
		records []sent
		rate    int
	}{{in.records[:calm], *rate}, {in.records[calm:], 10 * *rate}} {
		if err := r.produce(part.records, part.rate); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 5*time.Minute, func() string {
		if n := group.kills(); n > 0 {
			t.Fatalf("the kernel has killed the process: it had %d MiB", group.peak(t, a)>>20)
		}
		return want.difference(r.committed())
	})
	if count <= smallRun*4 {
		r.sameAsOracle(in)
	}
	peak, resident := group.peak(t, a), highestMiB(t, a.cmd.Process.Pid)
	if group.kills() > 0 || group.dir == "" && peak > smallMemory {
		t.Errorf("the process has had %d MiB, and %d kills, want at most %d and none", peak>>20, group.kills(), smallMemory>>20)
	}
	a.terminate()
	text := fmt.Sprintf("%d events, %d of them at %d a second, then ten times as many a second, one process of 512 MiB (%s), `memory: %s`: peak %d MiB (%s), %d MiB resident,\n%d alerts, 0 lost, 0 twice, 0 wrong.\n",
		len(in.records), calm, *rate, group.kind, r.Memory, peak>>20, group.counts, resident, len(want))
	t.Log(text)
	if *figures != "" && !t.Failed() {
		report(t, "memory", text)
	}
}

// rulesNamed are those documents of the rules.
func (r *rig) rulesNamed(name string) []byte {
	for _, doc := range documents(r.rules) {
		if nameOf(doc) == name {
			return []byte(doc)
		}
	}
	r.t.Fatalf("there is no rule %s", name)
	return nil
}

// A memoryGroup is a control group with a limit of memory, or says that there can
// be none here.
type memoryGroup struct {
	dir           string // "": there is none
	kind          string
	counts        string // what its peak is of
	most, killing string // names of its files
}

// newMemoryGroup makes a group beneath that of the test.
func newMemoryGroup(t *testing.T, limit int64) *memoryGroup {
	t.Helper()
	own, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(own)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		g, limits := memoryGroup{kind: "cgroup v2", counts: "page cache included", most: "memory.peak", killing: "memory.events"}, "memory.max"
		parent := filepath.Join("/sys/fs/cgroup", fields[2])
		if fields[1] == "memory" {
			g.kind, g.most, g.killing, limits = "cgroup v1", "memory.max_usage_in_bytes", "memory.oom_control", "memory.limit_in_bytes"
			parent = filepath.Join("/sys/fs/cgroup/memory", fields[2])
		} else if fields[1] != "" {
			continue
		}
		g.dir = filepath.Join(parent, fmt.Sprintf("caltrop-test-%d", os.Getpid()))
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(g.dir) })
		if os.WriteFile(filepath.Join(g.dir, limits), strconv.AppendInt(nil, limit, 10), 0o644) == nil {
			return &g
		}
	}
	t.Log("no control group can be made here: the resident memory is compared instead of limited")
	return &memoryGroup{kind: "not limited", counts: "resident"}
}

// peak is the most memory that the process has had, in bytes.
func (g *memoryGroup) peak(t *testing.T, p *process) int64 {
	t.Helper()
	if g.dir == "" {
		return int64(highestMiB(t, p.cmd.Process.Pid)) << 20
	}
	text, err := os.ReadFile(filepath.Join(g.dir, g.most))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// kills is how often the kernel has killed a process of the group.
func (g *memoryGroup) kills() int {
	text, _ := os.ReadFile(filepath.Join(g.dir, g.killing)) // of no group there is none
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(rest))
			return n
		}
	}
	return 0
}
