package match

import (
	"cmp"
	"slices"
	"sort"

	"github.com/caltrop/caltrop/cep/event"
)

// A column is one condition of a shape as the members of a Cohort ask it: by
// families that differ in one number, so that of each only the two ends are
// evaluated, and where they differ what lies between is halved.
type column []family

// A family is members by what they ask, in the order of the number.
type family struct {
	asks []ask
	all  set
}

// An ask is one condition, and who asks it.
type ask struct {
	condition *condition
	members   []int
}

// columns lays out, by condition, what the members ask of events of a stream.
func (c *Cohort) columnsOf(stream int) (all []column) {
	for i := range c.members[c.present.first()].asked.list {
		all = append(all, c.column(stream, i))
	}
	return all
}

// column sorts the members by their condition at an index; empty where it is of
// another stream.
func (c *Cohort) column(stream, index int) (col column) {
	byText, byName := map[string]int{}, map[string]int{}
	var asks []ask
	for place := range c.present.all() {
		k := &c.members[place].asked.list[index]
		if k.stream != stream {
			return nil
		}
		text := ""
		if k.cond != nil {
			text = k.cond.Text
		}
		i, ok := byText[text]
		if !ok {
			i, byText[text] = len(asks), len(asks)
			asks = append(asks, ask{condition: k})
		}
		asks[i].members = append(asks[i].members, place)
	}
	for _, a := range asks {
		name := a.family()
		i, ok := byName[name]
		if !ok {
			i, byName[name] = len(col), len(col)
			col = append(col, family{})
		}
		col[i].asks = append(col[i].asks, a)
	}
	for i := range col {
		col[i].sort(len(c.present))
	}
	return col
}

// family names the asks of which one end tells of the other.
func (a *ask) family() string {
	switch cond := a.condition.cond; {
	case cond == nil:
		return ""
	case cond.Kin.Text != "":
		return cond.Kin.Text
	default:
		return "=" + cond.Text
	}
}

// judge finds for whom each condition holds; false where one ends in an error.
func (c *Cohort) judge(ev *event.Event, columns []column) bool {
	c.holding = c.holding[:0]
	for _, col := range columns {
		holding := c.sets.take()
		c.holding = append(c.holding, holding)
		for i := range col {
			if !col[i].judge(ev, holding) {
				return false
			}
		}
	}
	return true
}

func (f *family) judge(ev *event.Event, holding set) (ok bool) {
	last := len(f.asks) - 1
	low, lowOK := f.asks[0].holds(ev)
	high, highOK := low, lowOK
	if last > 0 {
		high, highOK = f.asks[last].holds(ev)
	}
	if !lowOK || !highOK {
		return false
	}
	if low == high {
		if low {
			holding.unite(f.all)
		}
		return true
	}
	change := 1 + sort.Search(last-1, func(i int) bool {
		truth, _ := f.asks[i+1].holds(ev)
		return truth == high
	})
	from, to := change, len(f.asks)
	if low {
		from, to = 0, change
	}
	for i := from; i < to; i++ {
		for _, m := range f.asks[i].members {
			holding.add(m)
		}
	}
	return true
}

// holds answers as conditions.evaluate does.
func (a *ask) holds(ev *event.Event) (truth, ok bool) {
	if a.condition.cond == nil {
		return true, true
	}
	if misses(ev, a.condition.cond.Needs) {
		return false, true
	}
	return a.condition.shared.sheet.holds(a.condition.shared.place)
}

func (a *ask) bound() float64 {
	if a.condition.cond == nil {
		return 0
	}
	return a.condition.cond.Kin.Bound
}

func (f *family) sort(width int) {
	slices.SortFunc(f.asks, func(a, b ask) int { return cmp.Compare(a.bound(), b.bound()) })
	f.all = make(set, width)
	for i := range f.asks {
		for _, m := range f.asks[i].members {
			f.all.add(m)
		}
	}
}
