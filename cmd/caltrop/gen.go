package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/caltrop/caltrop/loadtest/fraudgen"
	"github.com/caltrop/caltrop/rules/catalog"
	"github.com/spf13/cobra"
)

// genOptions are the flags of `gen`.
type genOptions struct {
	fraudgen.Options
	start        string
	past         time.Duration
	pace         float64
	out          string
	labels       string
	documents    string
	brokers      string
	topics       map[string]string
	partitions   int32
	closing      bool
	closingAfter time.Duration
	scenarios    []string
	json         bool
}

func genCommand() *cobra.Command {
	var o genOptions
	cmd := &cobra.Command{
		Use:   "gen",
		Short: "Generate labelled traffic, to a file or to Kafka",
		Long: `Generate traffic of people who pay, log in and order, with fraud among it and
hard negatives that only look like fraud. Equal flags give equal bytes, except
with --past, which starts before now and goes on for ever.

Events go to a file, one a line, as 'caltrop match' reads them, or to Kafka, a
topic a stream. --labels writes one line for each incident: what a rule should
find. --documents writes the streams and a rule for each scenario.

--scenarios names what is injected: live, the default, are five that one
stream tells; catalogue are those of all shipped rules, over all their streams.

Exit codes: 0 it ran, 1 it could not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return generate(cmd.Context(), cmd, o) },
	}
	o.flags(cmd)
	return cmd
}

func (o *genOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "seed of all that is random")
	f.IntVar(&o.Count, "count", fraudgen.DefaultCount, "events in all")
	f.Float64Var(&o.Rate, "rate", fraudgen.DefaultRate, "events a second of event time")
	f.StringVar(&o.start, "start", "", "event time of the first event, RFC 3339 (default 2025-01-01T00:00:00Z)")
	f.DurationVar(&o.past, "past", 0, "start this long before now, catch up at once, then go on live until stopped")
	f.Float64Var(&o.pace, "pace", 0, "events a second of real time, 0 for as fast as possible")
	f.IntVar(&o.Cards, "cards", fraudgen.DefaultCards, "cards in the population; users are half as many")
	f.Float64Var(&o.Skew, "skew", fraudgen.DefaultSkew, "Zipf exponent of who acts, -1 for none")
	f.DurationVar(&o.Disorder, "disorder", 0, "events arrive less than this after their time")
	f.Float64Var(&o.Duplicates, "duplicates", 0, "share of events that arrive twice")
	f.Float64Var(&o.Late, "late", 0, "share of events that arrive later than they should")
	f.DurationVar(&o.LateBy, "late-by", fraudgen.DefaultLateBy, "how much later")
	f.Float64Var(&o.Incidents, "incidents", fraudgen.DefaultIncidents, "incidents an event, -1 for none; hard negatives are as many")
	f.DurationVar(&o.Delivery, "delivery", fraudgen.DefaultDelivery, "orders are promised within")
	f.StringSliceVar(&o.scenarios, "scenarios", []string{scenariosLive}, "live, catalogue, or names of scenarios")
	f.StringVar(&o.out, "out", "-", "file of events, - for standard output")
	f.StringVar(&o.labels, "labels", "", "file of labels, a line for each incident")
	f.StringVar(&o.documents, "documents", "", "file for the streams and scenario rules")
	f.StringVar(&o.brokers, "brokers", "", "send to Kafka at these addresses, not to a file")
	f.StringToStringVar(&o.topics, "topics", nil, "topic of a stream, e.g. payment=pay,login=in (default payments, challenges, logins, orders)")
	f.Int32Var(&o.partitions, "partitions", 8, "partitions of topics that do not exist yet, and of closing events")
	f.BoolVar(&o.closing, "closing", false, "end with one event a stream and partition that closes event time")
	f.DurationVar(&o.closingAfter, "closing-after", fraudgen.DefaultClosingAfter, "closing events are stamped this long after the last")
	f.BoolVar(&o.json, "json", false, "print the closing counts as JSON")
}

// A recordSink takes generated records. Send copies what it keeps.
type recordSink interface {
	Send(ctx context.Context, rec *fraudgen.Record) error
	// Flush hands on what was sent: nothing follows for a while.
	Flush() error
	// Close returns when all records are stored.
	Close(ctx context.Context) error
}

func generate(ctx context.Context, cmd *cobra.Command, o genOptions) error {
	if err := o.place(time.Now()); err != nil {
		return err
	}
	o.cast()
	if o.documents != "" {
		if err := os.WriteFile(o.documents, o.generatedDocuments(), 0o644); err != nil {
			return fmt.Errorf("writing documents: %w", err)
		}
	}
	labels, err := openLabels(o.labels)
	if err != nil {
		return err
	}
	incidents := 0
	o.Incident = func(i *fraudgen.Incident) {
		incidents++
		labels.write(i)
	}
	g, err := fraudgen.New(o.Options)
	if err != nil {
		return errors.Join(err, labels.close())
	}
	sink, err := o.sink(ctx, cmd, g.Streams())
	if err != nil {
		return errors.Join(err, labels.close())
	}
	bar := newBar(cmd.ErrOrStderr(), int64(o.Count), "generating events")
	sent, err := o.send(ctx, g, sink, bar)
	bar.done()
	if err := errors.Join(err, sink.Close(ctx), labels.close()); err != nil {
		return err
	}
	return o.report(cmd, sent, incidents)
}

// Names of sets of scenarios.
const (
	scenariosLive      = "live"
	scenariosCatalogue = "catalogue"
)

// cast replaces the names of sets of scenarios by those of their scenarios.
func (o *genOptions) cast() {
	for _, name := range o.scenarios {
		switch name {
		case scenariosLive:
			o.Scenarios = append(o.Scenarios, fraudgen.Live()...)
		case scenariosCatalogue:
			o.Scenarios = append(o.Scenarios, fraudgen.Catalogue()...)
		default:
			o.Scenarios = append(o.Scenarios, name)
		}
	}
}

// place fills in where event time begins.
func (o *genOptions) place(now time.Time) error {
	switch {
	case o.past < 0:
		return fmt.Errorf("--past %s lies ahead", o.past)
	case o.start != "" && o.past > 0:
		return errors.New("--start and --past exclude each other")
	case o.past > 0:
		o.Start, o.Count = now.Add(-o.past).Truncate(time.Millisecond), fraudgen.Endless
	case o.start != "":
		at, err := time.Parse(time.RFC3339, o.start)
		if err != nil {
			return fmt.Errorf("reading --start: %w", err)
		}
		o.Start = at
	}
	return nil
}

func (o *genOptions) sink(ctx context.Context, cmd *cobra.Command, streams []string) (recordSink, error) {
	if o.brokers != "" {
		return newFeed(ctx, o.brokers, feedTopics(streams), o.topics, o.partitions)
	}
	if o.out == "-" {
		return newLineSink(nopCloser{cmd.OutOrStdout()}), nil
	}
	file, err := os.Create(o.out)
	if err != nil {
		return nil, fmt.Errorf("creating the file of events: %w", err)
	}
	return newLineSink(file), nil
}

// send runs the generator into the sink until it ends or ctx does, which with
// --past is the way to end and no error.
func (o *genOptions) send(ctx context.Context, g *fraudgen.Generator, sink recordSink, bar *bar) (sent int, err error) {
	var rec fraudgen.Record
	began := time.Now()
	for g.Next(&rec) {
		if on, err := o.await(ctx, &rec, sink, began, sent); !on {
			return sent, err
		}
		if err := sink.Send(ctx, &rec); err != nil {
			return sent, err
		}
		sent++
		bar.add(1)
	}
	if !o.closing {
		return sent, nil
	}
	for _, stream := range g.Streams() {
		for p := range o.partitions {
			closing := g.Closing(stream, p, o.partitions, o.closingAfter)
			if err := sink.Send(ctx, &closing); err != nil {
				return sent, err
			}
			sent++
		}
	}
	return sent, nil
}

// await waits until a record is due; false means that ctx ended first, or the
// sink failed.
func (o *genOptions) await(ctx context.Context, rec *fraudgen.Record, sink recordSink, began time.Time, sent int) (bool, error) {
	due := o.due(rec, began, sent)
	if time.Until(due) >= sleepLeast {
		if err := sink.Flush(); err != nil {
			return false, err
		}
	}
	if sleepUntil(ctx, due) {
		return true, nil
	}
	if o.past > 0 {
		return false, nil
	}
	return false, ctx.Err()
}

// due is when a record is to be sent; the zero time is long past.
func (o *genOptions) due(rec *fraudgen.Record, began time.Time, sent int) time.Time {
	switch {
	case o.past > 0:
		return time.UnixMilli(rec.Arrival)
	case o.pace > 0:
		return began.Add(time.Duration(float64(sent) / o.pace * float64(time.Second)))
	}
	return time.Time{}
}

// sleepLeast is a wait too short to be worth one.
const sleepLeast = time.Millisecond

// sleepUntil waits; false means that ctx ended first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait < sleepLeast {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (o *genOptions) report(cmd *cobra.Command, sent, incidents int) error {
	w := cmd.ErrOrStderr()
	if o.json {
		if err := json.NewEncoder(w).Encode(map[string]int{"events": sent, "incidents": incidents}); err != nil {
			return fmt.Errorf("writing counts: %w", err)
		}
		return nil
	}
	fmt.Fprintf(w, "%d events, %d incidents\n", sent, incidents)
	return nil
}

// generatedDocuments are the generator's streams and a rule for each scenario.
func (o *genOptions) generatedDocuments() []byte {
	docs := catalog.Streams().Data
	if slices.Equal(o.Scenarios, fraudgen.Live()) {
		return append(append(docs, "---\n"...), fraudgen.Rules()...)
	}
	for _, f := range catalog.Rules() {
		for doc := range bytes.SplitSeq(f.Data, []byte("\n---\n")) {
			if bytes.Contains(doc, []byte("\nname: customers\n")) {
				doc = fraudgen.Customers() // those who live here
			}
			docs = append(append(append(docs, "---\n"...), bytes.TrimSpace(doc)...), '\n')
		}
	}
	return docs
}

// A lineSink writes records as lines.
type lineSink struct {
	file io.WriteCloser
	buf  *bufio.Writer
	line []byte
}

// lineBufferBytes is the buffer of a file of events.
const lineBufferBytes = 256 << 10

func newLineSink(file io.WriteCloser) *lineSink {
	return &lineSink{file: file, buf: bufio.NewWriterSize(file, lineBufferBytes)}
}

// Send writes a line.
func (s *lineSink) Send(_ context.Context, rec *fraudgen.Record) error {
	s.line = rec.AppendLine(s.line[:0])
	if _, err := s.buf.Write(s.line); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	return nil
}

// Flush writes what is buffered.
func (s *lineSink) Flush() error {
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	return nil
}

// Close writes what is left and closes the file.
func (s *lineSink) Close(context.Context) error {
	if err := errors.Join(s.buf.Flush(), s.file.Close()); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	return nil
}

type nopCloser struct{ io.Writer }

// Close leaves the writer to its owner.
func (nopCloser) Close() error { return nil }

// A labelFile takes incidents as lines; without a file it takes nothing.
type labelFile struct {
	file *os.File
	buf  *bufio.Writer
	enc  *json.Encoder
	err  error
}

func openLabels(path string) (*labelFile, error) {
	if path == "" {
		return &labelFile{}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("creating the file of labels: %w", err)
	}
	buf := bufio.NewWriter(file)
	return &labelFile{file: file, buf: buf, enc: json.NewEncoder(buf)}, nil
}

func (l *labelFile) write(i *fraudgen.Incident) {
	if l.file != nil && l.err == nil {
		l.err = l.enc.Encode(i)
	}
}

func (l *labelFile) close() error {
	if l.file == nil {
		return nil
	}
	if err := errors.Join(l.err, l.buf.Flush(), l.file.Close()); err != nil {
		return fmt.Errorf("writing labels: %w", err)
	}
	return nil
}
