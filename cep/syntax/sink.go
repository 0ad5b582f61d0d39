package syntax

import (
	"fmt"
	"net/url"
	"regexp"
	"time"
)

// Defaults and bounds of the options of sinks.
const (
	sinkTimeoutDefault  = 10 * time.Second
	sinkTimeoutLeast    = 100 * time.Millisecond
	sinkTimeoutMost     = 30 * time.Second
	sinkInFlightDefault = 8
	sinkInFlightMost    = 64
	sinkAttemptsDefault = 10
	sinkAttemptsMost    = 100
	sinkURLBytesMost    = 2048
	sinkTTLMost         = 20 * 365 * 24 * time.Hour
	sinkGraceDefault    = time.Hour
	sinkGraceMost       = 30 * 24 * time.Hour
)

func (r *reader) sink(o *object, m Meta) *Sink {
	d := &Sink{Meta: m}
	if v := o.need("type", "it is one of kafka, cassandra, redis, webhook"); v != nil {
		d.Type = v.word("", "kafka", "cassandra", "redis", "webhook")
	}
	of, match, timing := o.get("of"), o.get("match"), o.get("timing")
	d.Of = of.word("alerts", "alerts", "views")
	d.Match = r.matcher(match)
	d.Timing = timing.word("final", "early", "final")
	switch {
	case d.Type == "redis" && d.Of == "alerts":
		r.refuseOf(o, of, "a sink of type redis takes views, not alerts", "write of: views; alerts go to kafka, cassandra or webhook")
	case (d.Type == "webhook" || d.Type == "kafka") && d.Of == "views":
		r.refuseOf(o, of, fmt.Sprintf("a sink of type %s takes alerts, not views", d.Type), "views go to redis or cassandra; a View with to: [kafka] is in the views topic")
	case d.Of == "views" && (d.Match.Rule != "" || d.Match.Severity != ""):
		match.refuse("an update of a view has neither a rule nor a severity", "match key or tag; options: {view: NAME} takes one view")
	case d.Of == "views" && d.Timing == "early":
		timing.refuse("what a view publishes follows the watermark: it is never early", "leave `timing` out")
	}
	r.sinkOptions(o, d)
	return d
}

// refuseOf reports what is wrong with the key `of`, or with its default.
func (r *reader) refuseOf(o *object, of *value, detail, hint string) {
	if of == nil {
		o.refuse(detail, hint)
		return
	}
	of.refuse(detail, hint)
}

var sinkNeeds = map[string]string{
	"webhook":   "options: {url: 'https://example.com/alerts', secret: pager}",
	"kafka":     "options: {topic: fraud-alerts}",
	"cassandra": "options: {keyspace: fraud}",
	"redis":     "options: {prefix: fraud}",
}

func (r *reader) sinkOptions(o *object, d *Sink) {
	if d.Type == "" {
		o.get("options")
		return
	}
	v := o.need("options", "as in "+sinkNeeds[d.Type])
	options := v.object(fmt.Sprintf("`options` of a sink of type %s", d.Type))
	if options == nil {
		return
	}
	to := &d.Options
	switch d.Type {
	case "webhook":
		to.URL = options.need("url", "as in url: 'https://example.com/alerts'").webAddress()
		to.Secret = options.need("secret", "name one of webhooks.secrets of the configuration: requests are signed with it").name(documentName, documentNameRule).Name
		to.Timeout = options.get("timeout").durationWithin(sinkTimeoutDefault, sinkTimeoutLeast, sinkTimeoutMost)
		to.InFlight = options.get("in_flight").integer(sinkInFlightDefault, 1, sinkInFlightMost)
		to.Attempts = options.get("attempts").integer(sinkAttemptsDefault, 1, sinkAttemptsMost)
	case "kafka":
		topic := options.need("topic", "as in topic: fraud-alerts")
		if to.Topic = topic.form(topicForm, "the name of a topic has letters, digits, dots, underscores and hyphens, at most 249"); topic != nil {
			to.TopicPos = topic.at()
		}
	case "cassandra":
		to.Keyspace = options.need("keyspace", "as in keyspace: fraud").form(keyspaceForm, "a keyspace has lower-case letters, digits and underscores, at most 48, a letter first")
		to.TTL = options.get("ttl").durationWithin(0, 0, sinkTTLMost)
	case "redis":
		to.Prefix = options.need("prefix", "what its keys begin with, as in prefix: fraud").form(prefixForm, "a prefix has lower-case letters, digits, hyphens and underscores, at most 64, a letter first")
		to.Grace = options.get("grace").durationWithin(sinkGraceDefault, time.Second, sinkGraceMost)
	}
	if d.Of == "views" {
		if view := options.get("view"); view != nil {
			to.View = view.name(documentName, documentNameRule).Name
		}
	}
	options.done()
}

var (
	topicForm    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
	keyspaceForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)
	prefixForm   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
)

// form reads a text of some form.
func (v *value) form(form *regexp.Regexp, rule string) string {
	text := v.str()
	if text != "" && !form.MatchString(text) {
		v.refuse(fmt.Sprintf("`%s` cannot be `%s`", v.key, shortened(text)), rule)
		return ""
	}
	return text
}

// durationWithin reads a duration between two bounds.
func (v *value) durationWithin(def, least, most time.Duration) time.Duration {
	d := v.duration(def, 0)
	if v != nil && (d < least || d > most) {
		v.refuse(fmt.Sprintf("`%s` must be from %s to %s, not %s", v.key, FormatDuration(least), FormatDuration(most), FormatDuration(d)), "without the key it is "+FormatDuration(def))
		return def
	}
	return d
}

// webAddress reads the address of a webhook. What it may resolve to is judged
// when it is called.
func (v *value) webAddress() string {
	text := v.str()
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > sinkURLBytesMost:
		v.refuse(fmt.Sprintf("`%s` has %d bytes, the limit is %d", v.key, len(text), sinkURLBytesMost), "give a shorter address")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		v.refuse(fmt.Sprintf("`%s` is no address of a receiver", v.key), "as in url: 'https://example.com/alerts'")
	case u.User != nil:
		v.refuse(fmt.Sprintf("`%s` holds a user or a password, which everyone who may read documents would see", v.key), "the receiver knows us by the signature: options.secret")
	case u.Fragment != "":
		v.refuse(fmt.Sprintf("`%s` has a fragment, which is never sent", v.key), "leave out what begins with #")
	default:
		return text
	}
	return ""
}
