package rules

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

const (
	listsEvery  = 5 * time.Second
	feedWaitMin = time.Second // before a topic that could not be read is read again
	feedWaitMax = 30 * time.Second
)

// A feedKey is what the content of a list is a function of.
type feedKey struct{ name, topic, shape string }

func feedOf(l *List) feedKey { return feedKey{l.Doc.Name, l.Doc.Topic, l.shape()} }

// A feed is a list's topic being read. What is not in the status belongs to the
// goroutine that reads.
type feed struct {
	key  feedKey
	decl *expr.ListDecl
	at   time.Time // when the last version was made

	sum uint64 // of that version

	table   *expr.Table // the current version; nil before the first. Under the registry's lock
	content string
	status  ListStatus
}

// A ListStatus is how the topic of a list is read.
type ListStatus struct {
	List    string
	Topic   string
	Read    bool   // the topic was read to its end once
	Offset  int64  // behind the last record read
	Lag     int64  // records to read
	Version int64  // the offset of the version that rules read
	Entries int    // of that version
	Bytes   int64  // of keys and values, as last read
	Skipped uint64 // records that were no entries, since reading began
	Skip    string // why the last one was none; ""
	Warning string // what the topic's settings put at risk; ""
	Error   string // why the list is not kept up; ""
}

// ListStatuses tells how the lists from topics are read, by name.
func (r *Registry) ListStatuses() []ListStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []ListStatus
	for _, l := range r.mu.set.Lists {
		if s, ok := r.statusOf(l); ok {
			all = append(all, s)
		}
	}
	return all
}

// ListStatus tells how a live list's topic is read; false when the list has none.
func (r *Registry) ListStatus(name string) (ListStatus, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.mu.set.List(name); l != nil {
		return r.statusOf(l)
	}
	return ListStatus{}, false
}

// statusOf is called with mu held.
func (r *Registry) statusOf(l *List) (ListStatus, bool) {
	if l.Doc.Topic == "" {
		return ListStatus{}, false
	}
	if f := r.mu.feeds[feedOf(l)]; f != nil {
		return f.status, true
	}
	return ListStatus{List: l.Doc.Name, Topic: l.Doc.Topic}, true
}

// Unread names the lists of the set whose topics have not been read to their
// ends.
func (s *Set) Unread() []string {
	var names []string
	for _, l := range s.Lists {
		if l.Table == nil && l.Doc.Topic != "" {
			names = append(names, l.Doc.Name)
		}
	}
	return names
}

// fill gives the lists from topics what was read of them. Called with mu held.
func (r *Registry) fill(set *Set) {
	for i, l := range set.Lists {
		if l.Doc.Topic == "" {
			continue
		}
		if f := r.mu.feeds[feedOf(l)]; f != nil && f.table != nil {
			set.Lists[i] = l.with(f.table, f.content)
		}
	}
}

// with returns the list at a version of its topic.
func (l *List) with(t *expr.Table, content string) *List {
	at := *l
	at.Table, at.Content = t, content
	return &at
}

// feedLists reads the topics of the live lists until ctx ends.
func (r *Registry) feedLists(ctx context.Context) {
	if r.opts.Lists == nil {
		return
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	stops := map[feedKey]context.CancelFunc{}
	for ctx.Err() == nil {
		changed := r.Changed()
		for _, f := range r.newFeeds() {
			own, stop := context.WithCancel(ctx)
			stops[f.key] = stop
			reading.Go(func() { r.follow(own, f) })
		}
		for _, key := range r.oldFeeds() {
			stops[key]()
			delete(stops, key)
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, stop := range stops {
		stop()
		delete(r.mu.feeds, key)
	}
}

// newFeeds makes the feeds that live lists lack.
func (r *Registry) newFeeds() []*feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	var made []*feed
	for _, l := range r.mu.set.Lists {
		if l.Doc.Topic == "" {
			continue
		}
		key := feedOf(l)
		if r.mu.feeds[key] != nil {
			continue
		}
		f := &feed{key: key, decl: l.Decl, status: ListStatus{List: key.name, Topic: key.topic}}
		r.mu.feeds[key] = f
		made = append(made, f)
	}
	return made
}

// oldFeeds forgets the feeds that no live list has.
func (r *Registry) oldFeeds() []feedKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := map[feedKey]bool{}
	for _, l := range r.mu.set.Lists {
		if l.Doc.Topic != "" {
			live[feedOf(l)] = true
		}
	}
	var old []feedKey
	for key := range r.mu.feeds {
		if !live[key] {
			old = append(old, key)
			delete(r.mu.feeds, key)
		}
	}
	return old
}

// follow keeps a list at what its topic holds until ctx ends.
func (r *Registry) follow(ctx context.Context, f *feed) {
	for wait := feedWaitMin; ctx.Err() == nil; wait = min(2*wait, feedWaitMax) {
		err := r.read(ctx, f)
		if ctx.Err() != nil {
			return
		}
		r.note(f, func(s *ListStatus) { s.Error = err.Error() })
		r.opts.Logger.Warn("a list's topic cannot be read; the list stays as it is", "list", f.key.name, "topic", f.key.topic, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// read reads the topic from its beginning on.
func (r *Registry) read(ctx context.Context, f *feed) error {
	topic, err := r.opts.Lists.Look(ctx, f.key.topic)
	if err == nil {
		err = topic.fit(f.key.topic)
	}
	if err != nil {
		return err
	}
	if warning := topic.risk(r.opts.ListsKept); warning != "" {
		r.note(f, func(s *ListStatus) { s.Warning = warning })
		r.opts.Logger.Warn("a list may not be had again after a crash", "list", f.key.name, "topic", f.key.topic, "because", warning)
	}
	c := newContent(f.decl, r.opts.ListEntriesMax)
	whole := false
	return r.opts.Lists.Tail(ctx, f.key.topic, c.apply, func(lag int64) {
		whole = whole || lag == 0
		var err error
		if whole {
			err = r.advance(f, c)
		}
		r.note(f, func(s *ListStatus) {
			s.Offset, s.Lag, s.Bytes, s.Skipped, s.Skip, s.Error = c.next, lag, c.bytes, c.skipped, c.lastSkip, textOf(err)
		})
	})
}

// note changes the status of a feed.
func (r *Registry) note(f *feed, change func(*ListStatus)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&f.status)
}

// advance makes the content the list's next version, if it differs and the last
// one is old enough. A content over the bounds is an error.
func (r *Registry) advance(f *feed, c *content) error {
	if err := c.over(1); err != nil {
		return err
	}
	if f.table != nil && (f.sum == c.sum && f.table.Len() == len(c.entries) || time.Since(f.at) < r.opts.ListsEvery) {
		return nil
	}
	table := c.table()
	f.at, f.sum = time.Now(), c.sum
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.feeds[f.key] != f {
		return nil
	}
	f.table, f.content = table, c.version()
	f.status.Read, f.status.Version, f.status.Entries = true, c.next, table.Len()
	r.mu.tables.keep(f.key, f.content, table)
	return r.publish()
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// fit returns an error for a topic that no list can have.
func (t ListTopic) fit(name string) error {
	switch {
	case t.Partitions == 0:
		return fmt.Errorf("topic %s does not exist", name)
	case t.Partitions != 1:
		return fmt.Errorf("topic %s has %d partitions: a list's topic has one, which orders its versions", name, t.Partitions)
	}
	return nil
}

// risk says what of a topic's settings can make a version unreadable that must
// be readable again; "" for nothing.
func (t ListTopic) risk(kept time.Duration) string {
	switch {
	case t.Deleted:
		return "cleanup.policy deletes records by age: entries that are not written again leave the list"
	case !t.Compacted:
		return ""
	case t.Lag < kept:
		return fmt.Sprintf("min.compaction.lag.ms is %s, and versions are read again for %s: set it to the longest time that this job may stand still", t.Lag, kept)
	}
	return ""
}

// checkTopic refuses a list whose topic cannot be a list's.
func (r *Registry) checkTopic(ctx context.Context, c Change) error {
	file, err := theOne(c)
	if err != nil {
		return nil //nolint:nilerr // the write itself says what is wrong with the text
	}
	doc, ok := file.Documents[0].(*syntax.List)
	if !ok || doc.Topic == "" {
		return nil
	}
	refuse := func(detail, hint string) error {
		return placed([]syntax.Problem{{Line: doc.Pos.Line, Col: doc.Pos.Col, Pointer: "/topic", Detail: detail, Hint: hint}}, file)
	}
	if r.opts.Lists == nil {
		return refuse("this process reads no topics of lists", "write its values under entries")
	}
	topic, err := r.opts.Lists.Look(ctx, doc.Topic)
	if err != nil {
		return fmt.Errorf("looking at topic %s: %w", doc.Topic, errors.Join(ErrUnavailable, err))
	}
	if err := topic.fit(doc.Topic); err != nil {
		return refuse(err.Error(), "make it with one partition, cleanup.policy=compact and min.compaction.lag.ms of a day or more")
	}
	return nil
}
