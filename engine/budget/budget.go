// Package budget divides the memory that a process may take among the tasks
// that it has. It holds numbers only: whoever takes memory asks how much of it.
package budget

import (
	"sync"
	"sync/atomic"
)

// What the parts may take of the whole, in sixteenths; the rest is the state's.
const (
	cacheParts = 4 // blocks of the state databases and what they have not written yet
	readParts  = 2 // read ahead of tasks
	sendParts  = 2 // sent, and not acknowledged
	wholeParts = 16
)

// What one task gets at least, and so what more tasks than a budget has room for
// take beyond it, and at most.
const (
	stateMin = 256 << 10
	writeMin = 512 << 10 // below it a database compacts more than it writes
	writeMax = 8 << 20
	readMin  = 256 << 10
	readMax  = 4 << 20
	sendMin  = 2<<20 + 64<<10 // the largest record
	sendMax  = 32 << 20
)

// A Queue is what a client of a task holds in memory.
type Queue int

// The queues.
const (
	Read Queue = iota // records that the task has not come to
	Send              // records without an acknowledgement
	queues
)

// A Budget is the memory of one process. A nil Budget has no bound: each task
// gets the most. It is safe for concurrent use.
type Budget struct {
	bytes         int64
	state, writes atomic.Int64 // of one task, as Divide has set them

	mu struct {
		sync.Mutex
		clients   int64 // tasks, at least 1
		lent      [queues]int64
		borrowers [queues]int64
	}
}

// New returns the budget of so many bytes, for one task until Divide.
func New(bytes int64) *Budget {
	b := &Budget{bytes: bytes}
	b.Divide(1, 1)
	return b
}

// Divide says how many tasks there are from now on: so many have a state, so many
// read and send.
func (b *Budget) Divide(states, clients int) {
	if b == nil {
		return
	}
	n := int64(max(states, 1))
	b.state.Store(max((b.bytes-b.Outside())/n, stateMin))
	b.writes.Store(min(max(b.Cache()/4/n, writeMin), writeMax))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.clients = int64(max(clients, 1))
}

func (b *Budget) part(sixteenths int64) int64 { return b.bytes / wholeParts * sixteenths }

// Cache is what all state databases together may take beside the heap: what they
// have not written yet, and blocks of their files in what that leaves.
func (b *Budget) Cache() int64 { return b.part(cacheParts) }

// Outside is what may be taken beside the Go heap.
func (b *Budget) Outside() int64 { return b.part(cacheParts + readParts + sendParts) }

// State is what the state of one task may take of the heap now.
func (b *Budget) State() int64 { return b.state.Load() }

// Writes is what the database of one task may gather now before it writes a file.
// Meanwhile it gathers anew, so all of them take at most half of Cache.
func (b *Budget) Writes() int64 { return b.writes.Load() }

// A Loan is memory for one queue. Its zero value is none.
type Loan struct {
	Bytes int64
	from  *Budget // nil: nobody wants it back
	queue Queue
}

var (
	least = [queues]int64{readMin, sendMin}
	most  = [queues]int64{readMax, sendMax}
	parts = [queues]int64{readParts, sendParts}
)

// Lend returns memory for the queue of a client that begins now, to be returned
// when it ends: of what is not lent, its share among the tasks that have none yet.
func (b *Budget) Lend(q Queue) Loan {
	if b == nil {
		return Loan{Bytes: most[q]}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.part(parts[q]) - b.mu.lent[q]
	l := Loan{Bytes: min(max(left/max(b.mu.clients-b.mu.borrowers[q], 1), least[q]), most[q]), from: b, queue: q}
	b.mu.lent[q] += l.Bytes
	b.mu.borrowers[q]++
	return l
}

// Return gives the memory back. It is called once.
func (l Loan) Return() {
	if l.from == nil {
		return
	}
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.from.mu.lent[l.queue] -= l.Bytes
	l.from.mu.borrowers[l.queue]--
}

// A Part is one part of a budget, for figures.
type Part struct {
	Name  string
	Bytes int64 // for all tasks together
	Task  int64 // of it for one task; 0: it is not divided
}

// Parts returns all parts.
func (b *Budget) Parts() []Part {
	all := []Part{
		{"state", b.bytes - b.Outside(), b.State()},
		{"cache", b.Cache(), 0},
		{"write_buffers", b.Cache() / 2, b.Writes()},
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for q, name := range [queues]string{"read_queues", "send_queues"} {
		whole := b.part(parts[q])
		all = append(all, Part{name, whole, min(max(whole/b.mu.clients, least[q]), most[q])})
	}
	return all
}
