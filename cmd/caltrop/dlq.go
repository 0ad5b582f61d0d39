package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks"
	"github.com/spf13/cobra"
)

// Bounds of `dlq ls`.
const (
	lettersMax       = 100_000
	letterValuesMax  = 1000 // with --values
	letterValueBytes = 64 << 10
)

// letterReasons are the reasons that letters have, as docs/operations.md lists them.
var letterReasons = []event.Reason{
	event.NullValue, event.TooLarge, event.InvalidUTF8, event.BadJSON, event.NotObject, event.TooDeep, event.TooManyFields,
	event.UnknownStream, event.MissingField, event.MissingKey, event.WrongType, event.NumberRange, event.NotInteger,
	event.DecimalDigits, event.FieldTooLarge, event.BadMagic, event.UnknownSchema, event.BadSchema, event.BadAvro,
	event.BadTime, task.Future, task.Undecodable, sinks.ReasonRefused, sinks.ReasonTooLarge, sinks.ReasonRejected,
	task.LatePartition, task.LateStream,
}

func dlqCommand() *cobra.Command {
	return commandGroup("dlq", "Look at late events and dead letters, and replay them", dlqListCommand(), dlqReplayCommand())
}

// letterOptions are the flags that say which letters, of which cluster.
type letterOptions struct {
	cluster          clusterFlags
	kind             string
	streams, reasons []string
	from, to         string
}

func (o *letterOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	o.cluster.add(f)
	f.StringVar(&o.kind, "kind", "", "dead or late; default both")
	f.StringSliceVar(&o.streams, "stream", nil, "of these streams")
	f.StringSliceVar(&o.reasons, "reason", nil, "with these reasons; docs/operations.md lists them")
	f.StringVar(&o.from, "from", "", "refused at this time or later, RFC 3339")
	f.StringVar(&o.to, "to", "", "refused before this time, RFC 3339")
}

// open looks at the topics. The caller closes the cluster.
func (o *letterOptions) open() (*kafka.Cluster, *kafka.Letters, error) {
	cluster, err := o.cluster.open()
	if err != nil {
		return nil, nil, err
	}
	letters, err := o.letters(cluster)
	if err != nil {
		cluster.Close()
		return nil, nil, err
	}
	return cluster, letters, nil
}

func (o *letterOptions) letters(c *kafka.Cluster) (*kafka.Letters, error) {
	f := kafka.LetterFilter{Streams: o.streams, Reasons: o.reasons}
	for _, r := range o.reasons {
		if !slices.Contains(letterReasons, event.Reason(r)) {
			return nil, fmt.Errorf("--reason %s is none, want some of %v", r, letterReasons)
		}
	}
	switch o.kind {
	case "":
	case "dead":
		f.Topics = []string{c.Topics().Dead()}
	case "late":
		f.Topics = []string{c.Topics().Late()}
	default:
		return nil, fmt.Errorf("--kind %s is neither dead nor late", o.kind)
	}
	var err error
	if f.From, err = timeFlag("from", o.from, time.Time{}); err != nil {
		return nil, err
	}
	if f.To, err = timeFlag("to", o.to, time.Time{}); err != nil {
		return nil, err
	}
	if !f.To.IsZero() && !f.From.Before(f.To) {
		return nil, fmt.Errorf("--from %s is not before --to %s", o.from, o.to)
	}
	return c.Letters(f)
}

func dlqListCommand() *cobra.Command {
	var o letterOptions
	var limit int
	var asJSON, values bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List late events and dead letters, newest first",
		Long: `List the records that became no event, newest first: when and why, where each
stood, and its key. --values prints the records too, with --json.

Exit codes: 0 it ran (also when there is none), 1 it could not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			most := lettersMax
			if values {
				most = letterValuesMax
			}
			switch {
			case values && !asJSON:
				return errors.New("--values needs --json")
			case limit < 1 || limit > most:
				return fmt.Errorf("--limit %d: from 1 to %d", limit, most)
			}
			cluster, letters, err := o.open()
			if err != nil {
				return err
			}
			defer cluster.Close()
			page := newest{most: limit, values: values}
			if err := letters.Each(cmd.Context(), page.add); err != nil {
				return err
			}
			return page.show(cmd.OutOrStdout(), asJSON)
		},
	}
	o.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many, the newest ones")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each as one line of JSON")
	cmd.Flags().BoolVar(&values, "values", false, "print the records' values, up to 64 KiB of each")
	return cmd
}

// newest keeps the letters written last, at most twice as many as asked for.
type newest struct {
	most   int
	values bool
	seen   int
	kept   []*kafka.Letter
}

func (n *newest) add(l *kafka.Letter) error {
	n.seen++
	if !n.values {
		l.Value = nil
	} else if len(l.Value) > letterValueBytes {
		l.Value = slices.Clone(l.Value[:letterValueBytes])
	}
	if n.kept = append(n.kept, l); len(n.kept) >= 2*n.most {
		n.cut()
	}
	return nil
}

func (n *newest) cut() {
	slices.SortFunc(n.kept, func(a, b *kafka.Letter) int {
		return cmp.Or(b.Written.Compare(a.Written), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(b.Offset, a.Offset))
	})
	if len(n.kept) > n.most {
		clear(n.kept[n.most:])
		n.kept = n.kept[:n.most]
	}
}

func (n *newest) show(w io.Writer, asJSON bool) error {
	n.cut()
	for _, l := range n.kept {
		line := letterLine(l)
		if asJSON {
			text, err := json.Marshal(n.letterJSON(l))
			if err != nil {
				return fmt.Errorf("printing a letter: %w", err)
			}
			line = string(text)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if left := n.seen - len(n.kept); left > 0 && !asJSON {
		_, err := fmt.Fprintf(w, "%d older ones match; --limit shows more\n", left)
		return err
	}
	return nil
}

func letterLine(l *kafka.Letter) string {
	line := fmt.Sprintf("%s  %-15s %s  %s/%d/%d  key %q", timeText(l.Written), cmp.Or(l.Reason, "?"), cmp.Or(l.Stream, "?"),
		l.Source.Topic, l.Source.Partition, l.Source.Offset, l.Key)
	if l.Detail != "" {
		line += "  " + strings.Join(strings.Fields(l.Detail), " ")
	}
	return line
}

// letterPlace is where a record stands.
type letterPlace struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

type letterJSON struct {
	letterPlace
	Written  string      `json:"written"`
	Reason   string      `json:"reason"`
	Detail   string      `json:"detail,omitempty"`
	Stream   string      `json:"stream"`
	Source   letterPlace `json:"source"`
	Time     string      `json:"time,omitempty"`
	Key      *string     `json:"key"` // what is no UTF-8 is replaced
	CutFrom  int64       `json:"truncated_from_bytes,omitempty"`
	Value    *string     `json:"value,omitempty"`
	RawValue []byte      `json:"value_base64,omitempty"` // where the value is no UTF-8
}

func (n *newest) letterJSON(l *kafka.Letter) letterJSON {
	j := letterJSON{
		letterPlace: letterPlace{l.Topic, l.Partition, l.Offset}, Written: timeText(l.Written),
		Reason: l.Reason, Detail: l.Detail, Stream: l.Stream,
		Source:  letterPlace{l.Source.Topic, l.Source.Partition, l.Source.Offset},
		CutFrom: l.CutFrom,
	}
	if l.Time != 0 {
		j.Time = timeText(time.UnixMicro(l.Time))
	}
	if l.Key != nil {
		key := strings.ToValidUTF8(string(l.Key), "�")
		j.Key = &key
	}
	if n.values && l.Value != nil {
		value := string(l.Value)
		if strings.ToValidUTF8(value, "") == value {
			j.Value = &value
		} else {
			j.RawValue = l.Value
		}
	}
	return j
}

func dlqReplayCommand() *cobra.Command {
	var o letterOptions
	var topic string
	var dryRun bool
	var confirm int
	cmd := &cobra.Command{
		Use:   "replay (--dry-run | --confirm N)",
		Short: "Write late events and dead letters back to their topics",
		Long: `Write the records back as they were read, to the topic and partition each came
from, or by key to the topic of --to-topic. Headers say where a record was
replayed from and why it was there. --dry-run counts them; --confirm N replays
them if they are exactly N. All of it is one transaction of at most 10,000
records and 64 MiB: on an error nothing is written.

What is replayed twice is there twice: a stream with an id forgets repeats only
within its lateness.

Exit codes: 0 it ran, 1 it could not, or the count differs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun == (confirm > 0) {
				return errors.New("give --dry-run to count, then --confirm N to replay")
			}
			cluster, letters, err := o.open()
			if err != nil {
				return err
			}
			defer cluster.Close()
			if dryRun {
				return countLetters(cmd.Context(), cmd.OutOrStdout(), letters)
			}
			if err := letters.Replay(cmd.Context(), topic, confirm, time.Now()); err != nil {
				return fmt.Errorf("replaying: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "replayed %d records\n", confirm)
			return err
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&topic, "to-topic", "", "write to this topic instead of each record's own")
	f.BoolVar(&dryRun, "dry-run", false, "only count")
	f.IntVar(&confirm, "confirm", 0, "replay, if exactly so many records match")
	return cmd
}

func countLetters(ctx context.Context, w io.Writer, letters *kafka.Letters) error {
	tally, err := letters.Tally(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d records of %d bytes would be replayed\n", tally.Whole, tally.Bytes)
	if tally.Cut > 0 {
		fmt.Fprintf(w, "%d cannot be: they were cut when they were set aside, or are not ours\n", tally.Cut)
	}
	if err := tally.Bounded(); err != nil {
		return err
	}
	if tally.Whole > 0 {
		_, err = fmt.Fprintf(w, "to replay them: the same command with --confirm %d instead of --dry-run\n", tally.Whole)
	}
	return err
}
