package enginetest

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	clusterSeeds = flag.Uint64("cluster.seeds", 100, "seeds of TestCluster")
	clusterFirst = flag.Uint64("cluster.first", 0, "the first of them")
)

const clusterViews = `---
apiVersion: caltrop/v1
kind: View
name: sitting
key: card
window: {stream: payment, session: 6s}
values: {n: count(), spent: sum(amount)}
to: [kafka]
every: 3s
---
apiVersion: caltrop/v1
kind: View
name: load
key: card
window: {stream: payment, rolling: 12s}
values: {n: count(), most: max(amount)}
to: [kafka]
`

// TestCluster plays members that share routing and keyed tasks and to which
// everything happens that the seed thinks of. What is committed is what the
// oracle says of the accepted events, and the updates of views are those of one
// member to which nothing happens. `SEED=n make sim` plays one seed again.
func TestCluster(t *testing.T) {
	t.Parallel()
	names := []string{"absent", "joined", "mixed", "roles", "strict", "tumbled"}
	text := routedStreams + clusterViews
	for _, name := range names {
		text += "---\n" + routedRule(name)
	}
	set, err := check(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	n := *clusterSeeds
	if testing.Short() {
		n = min(n, 10)
	}
	seen, alerts, views := map[string]int{}, 0, 0
	for seed := *clusterFirst; seed < *clusterFirst+n; seed++ {
		play := func(calm bool) *Cluster {
			c, err := NewCluster(seed, set, 1+int(seed%3), traffic(seed, 150))
			if err != nil {
				t.Fatal(err)
			}
			c.Calm = calm
			if err := c.Run(routedClosing); err != nil {
				t.Fatalf("seed %d: %v\nSEED=%d make sim", seed, err, seed)
			}
			slices.Sort(c.Views)
			return c
		}
		calm, c := play(true), play(false)
		lines, places := acceptedAt(t, set, c.Sources, c.Late)
		var want []string
		for _, name := range names {
			want = append(want, routedWant(t, name, lines, places)...)
		}
		slices.Sort(want)
		if d := firstDifference("alert", raisedIn(c.Alerts), want); d != "" {
			t.Fatalf("seed %d: %s\nSEED=%d make sim", seed, d, seed)
		}
		if d := firstDifference("update of a view", c.Views, calm.Views); d != "" {
			t.Fatalf("seed %d: %s\nSEED=%d make sim", seed, d, seed)
		}
		for what, n := range c.Seen {
			seen[what] += n
		}
		alerts, views = alerts+len(want), views+len(c.Views)
	}
	t.Logf("%d seeds from %d: %d alerts, %d updates of views; %v", n, *clusterFirst, alerts, views, seen)
	if n < 10 {
		return
	}
	for _, what := range strings.Split("join,leave,death,stop,session over,zombie,fenced,leader moved,answer lost,restore,checkpoint,checkpoint failed", ",") {
		if seen[what] == 0 {
			t.Errorf("no seed shows %s", what)
		}
	}
	if alerts == 0 || views == 0 {
		t.Error(fmt.Sprint("nothing is compared: ", alerts, " alerts, ", views, " updates"))
	}
}
