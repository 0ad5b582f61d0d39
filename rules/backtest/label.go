package backtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A Label is one known incident of a history: a line of the file that
// `caltrop gen --labels` writes. Who labels a history of their own needs the
// scenario and the events; the rest helps to read a report.
type Label struct {
	ID       string   `json:"incident_id"`
	Scenario string   `json:"scenario"` // name of the rule that should find it
	Key      string   `json:"key"`      // as alert.Alert.KeyText
	Events   []string `json:"event_ids"`
	First    int64    `json:"first_ts"` // ms since the Unix epoch
	Last     int64    `json:"last_ts"`  // ms
	Decisive string   `json:"decisive_event_id"`
}

// labelBytesMax bounds one line of labels.
const labelBytesMax = 1 << 20

// errBare is a label that nothing could be compared with.
var errBare = errors.New("a label needs a scenario and event_ids")

// ReadLabels reads labels, a JSON object a line; empty lines are passed over.
// The error names the line.
func ReadLabels(r io.Reader) ([]Label, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, labelBytesMax)
	var labels []Label
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
			continue
		}
		var l Label
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if l.Scenario == "" || len(l.Events) == 0 {
			return nil, fmt.Errorf("line %d: %w", n, errBare)
		}
		labels = append(labels, l)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return labels, nil
}
