package backtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/caltrop/caltrop/engine/avro"
)

// Bounds of Operations.
const (
	WaitingMax = 8  // operations that wait; past it Start refuses
	KeptMax    = 32 // operations that have ended; past it the oldest is forgotten
)

// ErrBusy is the error of Start when WaitingMax operations wait.
var ErrBusy = errors.New("too many backtests wait")

// A State is how far an operation is.
type State string

// The states of an operation.
const (
	Waiting   State = "waiting"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// ended reports whether the state is a last one.
func (s State) ended() bool { return s == Done || s == Failed || s == Cancelled }

// An Operation is one backtest of many: a copy of how it stands.
type Operation struct {
	ID          string
	State       State
	Error       string // of a failed one
	Rules       []string
	From, To    time.Time // as in Plan
	Begun, Over time.Time // zero: not yet
	Read, Total int64     // offsets
	Report      []byte    // of one that is done
}

// OperationsOptions are what operations share. All but Schemas and Log are
// required.
type OperationsOptions struct {
	History History
	Live    Live         // the job beside which they run
	Schemas avro.Schemas // nil: there are none
	Dir     string       // for state files; what is in it is removed at the start
	Bytes   int64        // budget of state
	Share   float64      // of the time for which they may work; 0 means 1
	// Report makes an operation's report of its result.
	Report func(*Result) ([]byte, error)
	Log    *slog.Logger // nil: nothing is logged
}

// Operations run one after another beside the live engine, one partition at a
// time. They are kept in memory: a process that ends forgets them. It is safe
// for concurrent use.
type Operations struct {
	opts  OperationsOptions
	queue chan *operation

	mu struct {
		sync.Mutex
		all []*operation // oldest first
	}
}

type operation struct {
	Operation
	plan     Plan
	progress Progress
	cancel   context.CancelFunc // nil while it waits
}

// NewOperations returns none. Run runs those that Start adds.
func NewOperations(o OperationsOptions) *Operations {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Operations{opts: o, queue: make(chan *operation, WaitingMax)}
}

// Start adds an operation: the plan's From and To count, and its set; where that
// is nil, the live tasks are run again. ErrBusy when too many wait.
func (s *Operations) Start(p Plan) (Operation, error) {
	op := &operation{plan: p}
	op.ID, op.State, op.From, op.To, op.Rules = rand.Text(), Waiting, p.From, p.To, []string{}
	if p.Set == nil {
		op.plan.Live = &s.opts.Live
	} else {
		for _, r := range p.Set.Rules {
			op.Rules = append(op.Rules, r.Doc.Name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.queue <- op:
	default:
		return Operation{}, ErrBusy
	}
	s.mu.all = append(s.mu.all, op)
	s.forget()
	return op.shown(), nil
}

// forget drops the oldest that have ended. s.mu is held.
func (s *Operations) forget() {
	ended := 0
	for _, op := range s.mu.all {
		if op.State.ended() {
			ended++
		}
	}
	s.mu.all = slices.DeleteFunc(s.mu.all, func(op *operation) bool {
		drop := ended > KeptMax && op.State.ended()
		if drop {
			ended--
		}
		return drop
	})
}

// shown copies the operation. s.mu is held.
func (op *operation) shown() Operation {
	op.Read, op.Total = op.progress.Of()
	return op.Operation
}

// All returns all that are remembered, oldest first.
func (s *Operations) All() []Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Operation, 0, len(s.mu.all))
	for _, op := range s.mu.all {
		all = append(all, op.shown())
	}
	return all
}

// Get returns one operation.
func (s *Operations) Get(id string) (Operation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := s.find(id)
	if op == nil {
		return Operation{}, false
	}
	return op.shown(), true
}

// find returns the operation called id, or nil. s.mu is held.
func (s *Operations) find(id string) *operation {
	for _, op := range s.mu.all {
		if op.ID == id {
			return op
		}
	}
	return nil
}

// Cancel ends an operation that has not ended, and returns it; false when there
// is none of that id.
func (s *Operations) Cancel(id string) (Operation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := s.find(id)
	if op == nil {
		return Operation{}, false
	}
	if op.cancel != nil {
		op.cancel()
	}
	if !op.State.ended() {
		op.State, op.Over = Cancelled, time.Now()
	}
	return op.shown(), true
}

// Run runs operations until ctx ends.
func (s *Operations) Run(ctx context.Context) error {
	if err := os.RemoveAll(s.opts.Dir); err != nil {
		return fmt.Errorf("clearing the state of backtests: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case op := <-s.queue:
			s.run(ctx, op)
		}
	}
}

// run runs one operation, unless it was cancelled before.
func (s *Operations) run(ctx context.Context, op *operation) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.begin(op, cancel) {
		return
	}
	p := op.plan
	p.History, p.Schemas, p.Bytes, p.Share, p.Parallel = s.opts.History, s.opts.Schemas, s.opts.Bytes, s.opts.Share, 1
	p.Dir = filepath.Join(s.opts.Dir, op.ID)
	report, err := s.report(ctx, p, &op.progress)
	if removed := os.RemoveAll(p.Dir); removed != nil {
		s.opts.Log.Warn("state of a backtest not removed", "dir", p.Dir, "error", removed)
	}
	s.end(op, report, err)
}

func (s *Operations) report(ctx context.Context, p Plan, progress *Progress) ([]byte, error) {
	result, err := Run(ctx, p, progress)
	if err != nil {
		return nil, err
	}
	return s.opts.Report(result)
}

func (s *Operations) begin(op *operation, cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op.State != Waiting {
		return false
	}
	op.State, op.Begun, op.cancel = Running, time.Now(), cancel
	return true
}

func (s *Operations) end(op *operation, report []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op.cancel = nil
	if op.State != Running {
		return
	}
	op.State, op.Over, op.Report = Done, time.Now(), report
	if err != nil {
		op.State, op.Error, op.Report = Failed, err.Error(), nil
		var p *panicError
		if errors.As(err, &p) {
			s.opts.Log.Error("backtest panicked", "id", op.ID, "stack", string(p.stack))
		}
		s.opts.Log.Warn("backtest failed", "id", op.ID, "error", err)
	}
}
