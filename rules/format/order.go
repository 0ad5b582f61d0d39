package format

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// head are the keys that every document begins with.
var head = []string{"apiVersion", "kind", "name", "title"}

// window, limits and the other parts that several kinds have.
var (
	windowKeys  = []string{"stream", "where", "keys", "rolling", "tumbling", "sliding", "session", "every", "offset"}
	limitKeys   = []string{"runs_per_key", "matches_per_event", "evidence", "window_events", "set", "replay"}
	matcherKeys = []string{"rule", "key", "severity", "tag"}
	fieldKeys   = []string{"type", "path", "optional", "pii"}
)

// orders gives the canonical order of keys by the path of a mapping below its
// kind; * is any name or position. What is not listed keeps its order: the
// names in it are the author's.
var orders = map[string][]string{
	"Stream": whole("tags", "owner", "source", "format", "time", "id", "partition_key", "partitioner", "lateness", "idle",
		"max_future", "max_skew", "max_bytes", "fields"),
	"Stream/source":   {"topic", "clusters"},
	"Stream/time":     {"field", "unit"},
	"Stream/fields/*": fieldKeys,
	"Rule": whole("severity", "score", "tags", "owner", "key", "within", "pattern", "steps", "window", "values", "having",
		"after_match", "emit", "timing", "state", "alert", "limits", "hot_keys", "tests"),
	"Rule/steps/*":          {"stream", "key", "where", "gap"},
	"Rule/window":           windowKeys,
	"Rule/alert":            {"summary", "measures", "suppress"},
	"Rule/limits":           limitKeys,
	"Rule/hot_keys":         {"salts"},
	"Rule/tests/*":          {"name", "events", "alerts"},
	"Rule/tests/*/alerts/*": {"at", "key"},
	"Profile":               whole("tags", "owner", "key", "stream", "where", "pane", "keep", "values", "limits"),
	"Profile/limits":        limitKeys,
	"View":                  whole("tags", "owner", "key", "window", "values", "to", "every"),
	"View/window":           windowKeys,
	"List":                  whole("tags", "owner", "key", "attributes", "entries", "topic"),
	"Silence":               whole("tags", "match", "reason", "owner", "from", "until"),
	"Silence/match":         matcherKeys,
	"Sink":                  whole("tags", "owner", "type", "of", "match", "timing", "options"),
	"Sink/match":            matcherKeys,
	"Sink/options":          {"url", "secret", "timeout", "in_flight", "attempts", "topic", "keyspace", "ttl", "prefix", "grace", "view"},
}

func whole(keys ...string) []string { return slices.Concat(head, keys) }

// named are the mappings whose keys are the author's names.
var named = map[string]bool{"Stream/fields": true, "Rule/steps": true}

// below is the path of a key's value.
func below(path, key string) string {
	if named[path] {
		return path + "/*"
	}
	return path + "/" + key
}

// aligned are the mappings whose one-line values stand under each other.
var aligned = map[string]bool{"Rule/steps": true}

// ordered returns the entries of a mapping in their canonical order: those
// that the order lacks come last, as they were.
func ordered(n *yaml.Node, order []string) [][2]*yaml.Node {
	var entries [][2]*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		entries = append(entries, [2]*yaml.Node{n.Content[i], n.Content[i+1]})
	}
	rank := func(e [2]*yaml.Node) int {
		if i := slices.Index(order, e[0].Value); i >= 0 {
			return i
		}
		return len(order)
	}
	if order != nil {
		slices.SortStableFunc(entries, func(a, b [2]*yaml.Node) int { return rank(a) - rank(b) })
	}
	return entries
}
