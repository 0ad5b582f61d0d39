package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/engine/task"
)

// A Savepoint is one checkpoint of each task of a job, made because somebody
// asked and kept until somebody removes it: it shares no file with anything, so
// collection never comes near it. Another job can start from it.
//
// Blobs are savepoints/JOB/NAME, what was asked; savepoints/JOB.NAME/TASK, the
// manifest of a task, written last; savepoints/JOB.NAME.files/TASK-FILE-HASH.
type Savepoint struct {
	Name  string
	Job   string
	Asked time.Time
	Scope
	Done []string // those of Tasks whose part is stored, in order
}

// A Scope is what a savepoint is of: tasks with a state, and where those without one
// were when it was asked for.
type Scope struct {
	Tasks []string // INPUT.PARTITION, in order
	// Routes is the progress of routing tasks, as they encode it. A job that starts
	// from the savepoint routes on from there, into logs of its own.
	Routes map[string][]byte `json:",omitempty"`
	// Until is, by task of a keyed log, the offset before which is all that was
	// routed up to Routes: it stores its part when it has read that.
	Until map[string]int64 `json:",omitempty"`
	// After is, by keyed log that second stages read, the logs of the first ones: tasks of
	// that log store their parts after all of these, when they have read what they sent.
	After map[string][]string `json:",omitempty"`
	// Generation is that of the keyed logs; 0: there are none.
	Generation int `json:",omitempty"`
}

// Partitions returns how many tasks of an input the savepoint has.
func (s *Scope) Partitions(input string) int {
	n := 0
	for _, part := range s.Tasks {
		if inputOf(part) == input {
			n++
		}
	}
	return n
}

// inputOf is INPUT of INPUT.PARTITION.
func inputOf(part string) string { return part[:max(0, strings.LastIndexByte(part, '.'))] }

// A SavepointState is how far a savepoint is.
type SavepointState string

// The states of a savepoint.
const (
	SavepointRunning  SavepointState = "running"
	SavepointComplete SavepointState = "complete"
	SavepointFailed   SavepointState = "failed" // not complete in savepointTime, and never will be
)

// savepointTime is how long the tasks of a job have to store a savepoint.
const savepointTime = time.Hour

// State returns how far the savepoint is.
func (s *Savepoint) State(now time.Time) SavepointState {
	switch {
	case s.whole():
		return SavepointComplete
	case now.Sub(s.Asked) > savepointTime:
		return SavepointFailed
	}
	return SavepointRunning
}

func (s *Savepoint) whole() bool { return len(s.Done) == len(s.Tasks) }

// stored reports whether all tasks of some inputs have stored their parts.
func (s *Savepoint) stored(inputs []string) bool {
	return !slices.ContainsFunc(s.Tasks, func(part string) bool {
		return slices.Contains(inputs, inputOf(part)) && !slices.Contains(s.Done, part)
	})
}

// Errors of Savepoints.
var (
	ErrNoSavepoint   = errors.New("there is no such savepoint")
	ErrSavepointName = errors.New("a savepoint's name is lower case letters, digits and dashes, a letter first, at most 63")
)

const (
	savepointDir      = "savepoints/"
	savepointBytesMax = 4 << 20 // of what was asked
)

var savepointName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Savepoints are those of one job in a store. It is safe for concurrent use.
type Savepoints struct {
	blobs Blobs
	job   string
}

// NewSavepoints returns the savepoints of a job.
func NewSavepoints(b Blobs, job string) *Savepoints { return &Savepoints{b, job} }

// Ask begins a savepoint. The processes that run its tasks find it in the store. The
// error matches ErrExists when the name is taken, ErrSavepointName when it is not one.
func (s *Savepoints) Ask(name string, of Scope, now time.Time) (*Savepoint, error) {
	if !savepointName.MatchString(name) {
		return nil, fmt.Errorf("%q: %w", name, ErrSavepointName)
	}
	of.Tasks = slices.Sorted(slices.Values(of.Tasks))
	p := &Savepoint{Name: name, Job: s.job, Asked: now.UTC(), Scope: of}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("asking for savepoint %s: %w", name, err)
	}
	if err := s.blobs.Create(savepointDir+s.job+"/"+name, text); err != nil {
		return nil, fmt.Errorf("asking for savepoint %s: %w", name, err)
	}
	return p, nil
}

// Names returns the names of the savepoints that were asked for, in order.
func (s *Savepoints) Names() ([]string, error) {
	blobs, err := s.blobs.List(savepointDir + s.job + "/")
	if err != nil {
		return nil, fmt.Errorf("listing savepoints: %w", err)
	}
	var names []string
	for _, b := range blobs {
		if _, name, _ := cutLast(b.Name); savepointName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Get returns a savepoint; the error matches ErrNoSavepoint when nobody asked
// for it.
func (s *Savepoints) Get(name string) (*Savepoint, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("savepoint %q of job %s: %w", name, s.job, ErrNoSavepoint)
	}
	text, err := s.blobs.Read(savepointDir+s.job+"/"+name, savepointBytesMax)
	if err != nil {
		return nil, fmt.Errorf("reading savepoint %s: %w", name, err)
	}
	p := &Savepoint{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("reading savepoint %s: %w", name, err)
	}
	blobs, err := s.blobs.List(savepointManifest(s.job+"/"+name, ""))
	if err != nil {
		return nil, fmt.Errorf("reading savepoint %s: %w", name, err)
	}
	done := map[string]bool{}
	for _, b := range blobs {
		_, part, _ := cutLast(b.Name)
		done[part] = true
	}
	for _, part := range p.Tasks {
		if done[part] {
			p.Done = append(p.Done, part)
		}
	}
	return p, nil
}

// savepointManifest is the blob of a task's manifest in the savepoint JOB/NAME.
func savepointManifest(of, part string) string {
	return savepointDir + strings.ReplaceAll(of, "/", ".") + "/" + part
}

func savepointFile(of, part string, f *File) string {
	return savepointDir + strings.ReplaceAll(of, "/", ".") + ".files/" + part + "-" + f.Name + "-" + f.Hash
}

// partOf is a task's name in savepoints, INPUT.PARTITION of
// JOB.INPUT.GENERATION.PARTITION: a job of another name finds it.
func partOf(taskName string) string {
	words := strings.Split(taskName, ".")
	if len(words) < 4 {
		return taskName
	}
	n := len(words)
	return strings.Join(words[1:n-2], ".") + "." + words[n-1]
}

// keepAs stores the checkpoint that has just been made once more, as the task's
// part of a savepoint. The linked files are still there.
func (s *saving) keepAs(ctx context.Context) error {
	part := partOf(s.name)
	m := *s.manifest
	m.Files = slices.Clone(m.Files)
	for i := range m.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := &m.Files[i]
		f.Blob = savepointFile(s.savepoint, part, f)
		if err := s.opts.Blobs.Upload(f.Blob, s.opts.FS, s.opts.FS.PathJoin(s.dir, f.Name)); err != nil {
			return err
		}
		s.opts.Moved(Uploaded, f.Size)
	}
	m.Snapshot.Blob = savepointFile(s.savepoint, part, &m.Snapshot)
	if err := s.opts.Blobs.Create(m.Snapshot.Blob, s.snapshot); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	data, err := m.encode()
	if err != nil {
		return err
	}
	if err := s.opts.Blobs.Create(savepointManifest(s.savepoint, part), data); err != nil && !errors.Is(err, ErrExists) {
		return err // one that is there is as good: an owner before us has made it
	}
	return nil
}

// openFrom opens the task as a part of a savepoint, JOB/NAME, has it.
func (k *Kept) openFrom(from, part string, conf task.Config) error {
	data, err := k.opts.Blobs.Read(savepointManifest(from, part), manifestMax)
	if err != nil {
		return fmt.Errorf("savepoint %s has no task %s: %w", from, part, err)
	}
	m, err := decodeManifest(data)
	if err != nil {
		return fmt.Errorf("savepoint %s, task %s: %w", from, part, err)
	}
	if err := k.restore(m, conf); err != nil {
		return fmt.Errorf("savepoint %s, task %s: %w", from, part, err)
	}
	k.stored, k.imported = map[string]File{}, true // its blobs are not ours to name
	return nil
}

// A Want is the part of a task that a savepoint waits for.
type Want struct {
	Savepoint  string // JOB/NAME
	Until      int64  // the offset before which a task of a keyed log has to have read all
	Generation int    // of the keyed logs that are meant
	Fed        bool   // until now first stages have sent to its log what it has to have read besides
}

// Wanted returns the savepoints that are not complete, and can be, by task that
// has not stored its part, INPUT.PARTITION. known holds names that it
// need not look at any more, and is added to.
func (s *Savepoints) Wanted(now time.Time, known map[string]bool) (map[string][]Want, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	wanted := map[string][]Want{}
	for _, name := range names {
		if known[name] {
			continue
		}
		p, err := s.Get(name)
		if err != nil {
			return nil, err
		}
		if p.State(now) != SavepointRunning {
			known[name] = true
			continue
		}
		for _, part := range p.Tasks {
			first := p.After[inputOf(part)]
			if !slices.Contains(p.Done, part) && p.stored(first) {
				wanted[part] = append(wanted[part], Want{s.job + "/" + name, p.Until[part], p.Generation, len(first) > 0})
			}
		}
	}
	maps.DeleteFunc(known, func(name string, _ bool) bool { return !slices.Contains(names, name) })
	return wanted, nil
}
