package budget

import "testing"

const mib = 1 << 20

func TestAllPartsTogetherAreTheBudget(t *testing.T) {
	b := New(512 * mib)
	for _, tasks := range []int{1, 4, 8, 32} {
		b.Divide(tasks, tasks)
		n := int64(tasks)
		if all := n*b.State() + b.Outside(); all > 512*mib {
			t.Errorf("%d tasks: %d bytes of state and %d beside it, more than the budget", tasks, b.State(), b.Outside())
		}
		if all := 2 * n * b.Writes(); all > b.Cache()/2 {
			t.Errorf("%d tasks: %d bytes of what is not written, more than half of the cache, %d", tasks, all, b.Cache())
		}
	}
}

func TestATaskThatJoinsTakesFromTheOthers(t *testing.T) {
	b := New(256 * mib)
	b.Divide(4, 4)
	few := b.State()
	b.Divide(32, 32)
	if many := b.State(); many != few/8 || many != 4*mib {
		t.Errorf("the state of a task may take %d bytes among 4 and %d among 32, want 32 and 4 MiB", few, many)
	}
	b.Divide(0, 0)
	if alone := b.State(); alone != 128*mib {
		t.Errorf("without tasks a state may take %d bytes, want half of all", alone)
	}
}

func TestQueuesAreLentNoMoreThanThereIs(t *testing.T) {
	b := New(512 * mib) // 64 MiB for what is read ahead
	b.Divide(8, 8)
	var lent []Loan
	total := int64(0)
	borrow := func(n int) {
		for range n {
			l := b.Lend(Read)
			lent, total = append(lent, l), total+l.Bytes
		}
	}
	borrow(8)
	if total != 8*readMax {
		t.Errorf("8 readers have %d bytes, want the most each", total)
	}
	b.Divide(40, 40) // those that are there keep theirs
	borrow(32)
	if total > 64*mib {
		t.Errorf("40 readers have %d bytes, want at most 64 MiB", total)
	}
	b.Divide(1000, 1000)
	if l := b.Lend(Read); l.Bytes != readMin {
		t.Errorf("a reader among too many gets %d bytes, want %d", l.Bytes, readMin)
	}
	for _, l := range lent {
		l.Return()
	}
	b.Divide(1, 1)
	if l := b.Lend(Read); l.Bytes != readMax {
		t.Errorf("a reader alone gets %d bytes after all were returned, want %d", l.Bytes, readMax)
	}
}

func TestWithoutABudgetEachGetsTheMost(t *testing.T) {
	var b *Budget
	b.Divide(100, 100)
	l := b.Lend(Send)
	l.Return()
	if l.Bytes != sendMax {
		t.Errorf("a sender gets %d bytes, want %d", l.Bytes, sendMax)
	}
}
