package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/loadtest/fraudgen"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/catalog"
)

// install stores the shipped streams and rules where a rule or stream of that
// name was never stored: what a person has changed or deleted stays so.
func (d *demo) install(ctx context.Context) error {
	streams := rules.Source{Name: "streams", Text: catalog.StreamsWith(devLateness, devIdle).Data}
	sources := []rules.Source{streams}
	for _, f := range catalog.Rules() {
		sources = append(sources, rules.Source{Name: f.Name, Text: f.Data})
	}
	texts := documentTexts(sources)
	for name, text := range documentTexts([]rules.Source{{Name: "scenarios", Text: fraudgen.Rules()}}) {
		if texts[name] == nil {
			texts[name] = text
			sources = append(sources, rules.Source{Name: "scenario " + name, Text: text})
		}
	}
	set, _ := rules.Check(nil, sources...)
	if err := d.createTopics(ctx, set); err != nil {
		return err
	}
	for _, name := range fraudgen.Streams() {
		if err := d.store(ctx, rules.KindStream, name, texts[name]); err != nil {
			return err
		}
	}
	for _, r := range set.Rules {
		if !fed(r) {
			continue
		}
		if err := d.installRule(ctx, r, texts); err != nil {
			return err
		}
	}
	d.say("rules    %s", strings.Join(d.node.registry.Names(rules.KindRule), " "))
	return nil
}

// installRule stores a rule behind the profiles and lists that it reads.
func (d *demo) installRule(ctx context.Context, r *rules.Rule, texts map[string][]byte) error {
	for _, p := range r.Prog.Profiles {
		if err := d.store(ctx, rules.KindProfile, p.Name, texts[p.Name]); err != nil {
			return err
		}
	}
	for _, l := range r.Prog.Outside.Lists {
		if err := d.store(ctx, rules.KindList, l, texts[l]); err != nil {
			return err
		}
	}
	err := d.store(ctx, rules.KindRule, r.Doc.Name, texts[r.Doc.Name])
	var invalid *rules.InvalidError
	if errors.As(err, &invalid) { // what it reads was changed by a person
		d.say("not run  %s: %v", r.Doc.Name, invalid)
		return nil
	}
	return err
}

// fed reports whether the generator writes all streams of a rule and of the
// profiles it reads: without
// traffic a rule shows nothing, and each stream costs tasks.
func fed(r *rules.Rule) bool {
	for _, s := range r.Prog.Streams {
		if !slices.Contains(fraudgen.Streams(), s.Stream) {
			return false
		}
	}
	for _, p := range r.Prog.Profiles {
		if !slices.Contains(fraudgen.Streams(), p.Stream.Stream) {
			return false
		}
	}
	return true
}

func (d *demo) createTopics(ctx context.Context, set *rules.Set) error {
	topics := map[string]int{}
	for _, name := range fraudgen.Streams() {
		topics[set.Stream(name).Doc.Topic] = devPartitions
	}
	return d.node.cluster.EnsureTopics(ctx, topics)
}

// store writes one document unless its name was used before.
func (d *demo) store(ctx context.Context, kind rules.Kind, name string, text []byte) error {
	if slices.Contains(d.node.registry.Names(kind), name) {
		return nil
	}
	if _, _, err := d.node.registry.Put(ctx, rules.Change{Kind: kind, Name: name, Text: text, Author: "catalogue"}); err != nil {
		return fmt.Errorf("storing %s %s: %w", kind, name, err)
	}
	return nil
}

// documentTexts splits sources into documents, by name.
func documentTexts(sources []rules.Source) map[string][]byte {
	texts := map[string][]byte{}
	for _, s := range sources {
		for doc := range bytes.SplitSeq(s.Text, []byte("\n---\n")) {
			for line := range bytes.Lines(doc) {
				if name, ok := bytes.CutPrefix(line, []byte("name: ")); ok {
					texts[string(bytes.TrimSpace(name))] = append(bytes.TrimSpace(doc), '\n')
					break
				}
			}
		}
	}
	return texts
}

// tasksLive reports whether every partition of every stream, and of every keyed
// log, has a task, and all tasks are live with the newest rules.
func (d *demo) tasksLive() bool {
	set := d.node.registry.Current()
	live := map[string]int{} // partitions by topic, where a task is
	for _, t := range d.node.engine.Status().Tasks {
		if t.State != kafka.StateLive || t.RulesVersion != set.Version {
			return false
		}
		live[t.Topic] = max(live[t.Topic], int(t.ID.Partition)+1)
	}
	var topics []string
	for _, st := range set.Streams {
		topics = append(topics, st.Doc.Topic)
	}
	for _, l := range set.KeyedLogs() {
		topics = append(topics, d.node.cluster.CurrentLog(set, l.Input))
	}
	for _, topic := range topics {
		if n, err := d.node.cluster.Partitions(topic); err != nil || n == 0 || live[topic] < n {
			return false
		}
	}
	return true
}
