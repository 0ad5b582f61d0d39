package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/cep/window"
)

// A Path says where a live rule runs.
type Path struct {
	// Input is what its tasks read: a stream where the rule is direct, else the
	// keyed log of its key, see IsKeyed; "" of a rule over alerts that no rule
	// raises, which has no task.
	Input string
	// Because lists why the rule is not direct; of one that is, it is empty.
	Because []string
	// First is what the tasks of the first stage read, where the rule runs as two
	// tasks in a row: the keyed log of its key and salt. Input is the second's.
	First string
}

// keyedPrefix begins the inputs that are keyed logs. No stream has such a name.
const keyedPrefix = "keyed."

// keyNameMax bounds the name of a key, which is part of names of topics.
const keyNameMax = 80

// IsKeyed reports whether an input is a keyed log.
func IsKeyed(input string) bool { return strings.HasPrefix(input, keyedPrefix) }

// Direct reports whether the rule's tasks read its stream itself.
func (p *Path) Direct() bool { return !IsKeyed(p.Input) }

// keyedInput names the keyed log of a key: all rules of it share one, whatever
// streams they read.
func keyedInput(key []string) string {
	name := strings.Join(key, ".")
	if len(name) > keyNameMax {
		sum := sha256.Sum256([]byte(name))
		name = "x" + hex.EncodeToString(sum[:16])
	}
	return keyedPrefix + name
}

// PathOf tells where a rule of the set runs. A rule over alerts runs where the
// rules run that it reads.
func (s *Set) PathOf(r *Rule) Path {
	if r.Prog.Upstream == nil {
		return s.ownPath(r)
	}
	for _, up := range s.Upstream(r) {
		if up.Prog.Upstream == nil {
			p := s.ownPath(up)
			p.First = ""
			return p
		}
	}
	return Path{Because: []string{"it reads alerts that no live rule raises"}}
}

// ownPath is the path of a rule over streams. The direct one is for a rule over
// one stream whose key is what the producer keys by: all else needs its events
// brought together first.
func (s *Set) ownPath(r *Rule) Path {
	if s.staged(r) {
		return Path{Input: keyedInput(r.Doc.Key.Fields), First: saltedInput(r), Because: []string{fmt.Sprintf(
			"it has hot_keys: %d salts of a key are brought together apart, and merged by the key at the end of a window", r.Doc.Salts)}}
	}
	uses := usesOf(r.Doc)
	stream := uses[0].stream
	because := func(format string, args ...any) Path {
		return Path{Input: keyedInput(r.Doc.Key.Fields), Because: []string{fmt.Sprintf(format, args...)}}
	}
	for _, u := range uses {
		if u.stream != stream {
			return because("it reads several streams (%s and %s)", stream, u.stream)
		}
	}
	for _, u := range uses {
		if u.key != nil && !slices.Equal(u.key.Fields, r.Doc.Key.Fields) {
			return because("stream %s has the key %v there", u.stream, u.key.Fields)
		}
	}
	for _, p := range r.Prog.Profiles {
		if p.Stream.Stream != stream {
			return because("profile %s is over another stream (%s)", p.Name, p.Stream.Stream)
		}
	}
	if st := s.Stream(stream); st != nil && !slices.Equal(r.Doc.Key.Fields, st.Doc.PartitionKey) {
		return because("its key is %v, stream %s has partition_key %v", r.Doc.Key.Fields, stream, st.Doc.PartitionKey)
	}
	return Path{Input: stream}
}

// A KeyedLog is a keyed log that the live rules need.
type KeyedLog struct {
	Input   string
	Streams []LogStream // by name
	Salts   int         // by how many salts its keys are spread; 0: they are not
}

// A LogStream is a stream that goes to a keyed log, with the key projections
// under which its rules read it: positions in its schema.
type LogStream struct {
	Stream *Stream
	Roles  [][]int
}

// KeyedLogs returns the keyed logs of the set, by name.
func (s *Set) KeyedLogs() []KeyedLog {
	var logs []KeyedLog
	for _, r := range s.runs() {
		p := s.PathOf(r)
		if p.Direct() {
			continue
		}
		at := logOf(&logs, p.Input)
		if p.First != "" {
			logs[at].add(r.stages.parts, []int{window.PartKey})
			at = logOf(&logs, p.First)
			logs[at].Salts = r.Doc.Salts
		}
		for i, schema := range r.Prog.Streams {
			for _, fields := range r.Prog.Keys[i].Roles {
				logs[at].add(s.Stream(schema.Stream), fields)
			}
		}
		for _, profile := range r.Prog.Profiles {
			logs[at].add(s.Stream(profile.Stream.Stream), profile.Key)
		}
	}
	for i := range logs {
		logs[i].sort()
	}
	slices.SortFunc(logs, func(a, b KeyedLog) int { return strings.Compare(a.Input, b.Input) })
	return logs
}

// logOf returns the place of an input's log, which it adds where it is new.
func logOf(logs *[]KeyedLog, input string) int {
	at := slices.IndexFunc(*logs, func(l KeyedLog) bool { return l.Input == input })
	if at < 0 {
		at, *logs = len(*logs), append(*logs, KeyedLog{Input: input})
	}
	return at
}

// KeyedLog returns the keyed log of an input; one without streams where no rule
// needs it.
func (s *Set) KeyedLog(input string) KeyedLog {
	for _, l := range s.KeyedLogs() {
		if l.Input == input {
			return l
		}
	}
	return KeyedLog{Input: input}
}

// Reads reports whether a stream goes to the log.
func (l KeyedLog) Reads(stream string) bool {
	return slices.ContainsFunc(l.Streams, func(st LogStream) bool { return st.Stream.Doc.Name == stream })
}

func (l *KeyedLog) add(st *Stream, fields []int) {
	if st == nil || st.Doc.Name == prog.AlertsStream { // alerts stay in their task
		return
	}
	at := slices.IndexFunc(l.Streams, func(s LogStream) bool { return s.Stream == st })
	if at < 0 {
		at, l.Streams = len(l.Streams), append(l.Streams, LogStream{Stream: st})
	}
	to := &l.Streams[at]
	if !slices.ContainsFunc(to.Roles, func(r []int) bool { return slices.Equal(r, fields) }) {
		to.Roles = append(to.Roles, fields)
	}
}

func (l *KeyedLog) sort() {
	slices.SortFunc(l.Streams, func(a, b LogStream) int { return cmp.Compare(a.Stream.Doc.Name, b.Stream.Doc.Name) })
	for i := range l.Streams {
		slices.SortFunc(l.Streams[i].Roles, slices.Compare)
	}
}

// Routes reports whether a stream goes to a keyed log.
func (s *Set) Routes(stream string) bool {
	return slices.ContainsFunc(s.KeyedLogs(), func(l KeyedLog) bool { return l.Reads(stream) })
}

// runs returns what tasks of the set run: the rules, and the views as rules that
// raise nothing.
func (s *Set) runs() []*Rule {
	all := s.AtWork()
	for _, v := range s.Views {
		all = append(all, v.rule())
	}
	return all
}

// HasDirect reports whether a rule or view of the set is direct on the stream.
func (s *Set) HasDirect(stream string) bool {
	return slices.ContainsFunc(s.runs(), func(r *Rule) bool {
		p := s.PathOf(r)
		return p.Input == stream
	})
}

// unplaced lists why no task of the set could run a rule live.
func unplaced(r *Rule, set *Set) []syntax.Problem {
	if r.Prog.Upstream == nil {
		return nil
	}
	return misplacedReader(r, set)
}
