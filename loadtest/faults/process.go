//go:build e2e

package faults

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// A process is one `caltrop serve`, started, killed and started again with the
// same configuration.
type process struct {
	t       *testing.T
	binary  string
	job     string
	config  string
	log     string
	within  string // a control group; "": that of the test
	address string
	cmd     *exec.Cmd
	ended   chan error
}

// settings are what the processes of one test share.
type settings struct {
	Name, Brokers, CassandraHost, CassandraPort, Keyspace, Dir string
	Instance, Address                                          string
	Job                                                        string // "": as Name
	CheckpointEvery                                            time.Duration
	History                                                    string
	Keyed                                                      int           // partitions of keyed logs; 0: the default
	Replication                                                int           // of topics
	Checkpoints                                                string        // where they are kept, as the configuration says it
	Redis, Registry, Webhooks                                  string        // their sections of the configuration; "": there is none
	Security                                                   string        // further members of that of Kafka, each after a comma
	CassandraUser, CassandraTLS                                string        // further members of its section, as the configuration says them; "": none
	CommitEvery                                                time.Duration // the longest that a transaction is open; 0: the default
	Memory                                                     string        // for the state, as the configuration says it
	Within                                                     string        // a control group that the process begins in, a folder; "": that of the test
}

var configText = template.Must(template.New("serve.yaml").Parse(`job: {{or .Job .Name}}
instance: {{.Instance}}
kafka: {brokers: ["{{.Brokers}}"], prefix: {{.Name}}, replication: {{.Replication}}, keyed_partitions: {{.Keyed}}{{with .CommitEvery}}, commit_every: {{.}}{{end}}{{.Security}}}
http: {address: "{{.Address}}"}
data: {{.Dir}}/{{.Instance}}
checkpoints: { {{- .Checkpoints}}, every: {{.CheckpointEvery}}}
history:
  kind: {{.History}}
  cassandra: {hosts: ["{{.CassandraHost}}"], port: {{.CassandraPort}}, keyspace: {{.Keyspace}}{{with .CassandraUser}}, {{.}}{{end}}{{with .CassandraTLS}}, {{.}}{{end}}}
{{with .Redis}}redis: {{.}}
{{end}}{{with .Registry}}schema_registry: {{.}}
{{end}}{{with .Webhooks}}webhooks: {{.}}
{{end}}memory: {{.Memory}}
`))

// newProcess writes the configuration of one process; start runs it.
func newProcess(t *testing.T, binary string, s settings, instance string) *process {
	t.Helper()
	s.Instance, s.Address = instance, freeAddress(t)
	p := &process{t: t, binary: binary, job: cmp.Or(s.Job, s.Name), address: s.Address, within: s.Within,
		config: filepath.Join(s.Dir, instance+".yaml"), log: filepath.Join(s.Dir, instance+".log")}
	var text bytes.Buffer
	if err := configText.Execute(&text, s); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.config, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			tail, _ := os.ReadFile(p.log)
			t.Logf("log of %s:\n%s", instance, tail[max(0, len(tail)-4000):])
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(p.binary, "serve", "--config", p.config)
	if p.within != "" {
		p.cmd = exec.Command("/bin/sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$1" serve --config "$2"`, p.within, p.binary, p.config)
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		p.t.Fatalf("starting %s: %v", p.config, err)
	}
	p.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(p.cmd, p.ended)
}

// kill ends the process with SIGKILL and waits until it is gone.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill()
	<-p.ended
	p.cmd = nil
}

// signal sends a signal; the process goes on.
func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("sending %v: %v", s, err)
	}
}

// endsWithin is how long a process may take to end: its own bound is 9 s, the
// rest is for a machine that has other work.
const endsWithin = time.Minute

// terminate sends SIGTERM and returns how long the process took to exit 0.
func (p *process) terminate() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		p.cmd = nil
		if err != nil {
			p.t.Errorf("after SIGTERM the process ended with %v, want exit 0", err)
		}
	case <-time.After(endsWithin):
		p.t.Errorf("the process still runs %s after SIGTERM", endsWithin)
		p.kill()
	}
	return time.Since(began)
}

// put stores a document; a rule is live then.
func (p *process) put(kind, name string, document []byte) {
	p.t.Helper()
	path := "/v1/" + kind + "/" + name
	if kind == "rules" {
		path += "?state=live"
	}
	p.do(http.MethodPut, path, document)
}

// do asks for a change, again while the rules log does not answer, and fails the
// test where it is refused.
func (p *process) do(method, path string, body []byte) {
	p.t.Helper()
	eventually(p.t, patience, func() string {
		req, err := http.NewRequest(method, "http://"+p.address+path, bytes.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/yaml")
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Sprintf("%s %s: %v", method, path, err)
		}
		defer answer.Body.Close()
		said, _ := io.ReadAll(answer.Body)
		problem := fmt.Sprintf("%s %s: %s: %s", method, path, answer.Status, said)
		switch {
		case answer.StatusCode == http.StatusServiceUnavailable:
			return problem
		case answer.StatusCode >= 300:
			p.t.Fatal(problem)
		}
		return ""
	})
}

// get reads a JSON document; an error says that the process is not there, or
// not ready.
func (p *process) get(path string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s: %s: %s", path, answer.Status, body)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// metrics returns the lines of /metrics that begin with name.
func (p *process) metrics(name string) string {
	answer, err := http.Get("http://" + p.address + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	var found []byte
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, []byte(name)) {
			found = append(found, line...)
		}
	}
	return string(found)
}

// A taskView is what GET /v1/jobs says of one task.
type taskView struct {
	Stream    string `json:"stream"`
	Role      string `json:"role"`
	Partition int32  `json:"partition"`
	State     string `json:"state"`
	Error     string `json:"error"`
	Lag       int64  `json:"lag"`
	Position  struct {
		Offset int64 `json:"offset"`
	} `json:"position"`
	Rules      int64  `json:"rules_version"`
	Checkpoint string `json:"last_checkpoint"`
	Counts     struct {
		Accepted int64 `json:"accepted"`
	} `json:"counts"`
}

// tasks lists the tasks of this process; none when it does not answer.
func (p *process) tasks() []taskView {
	var answer struct {
		Jobs []struct {
			Tasks []taskView `json:"tasks"`
		} `json:"jobs"`
	}
	if p.cmd == nil || p.get("/v1/jobs", &answer) != nil || len(answer.Jobs) == 0 {
		return nil
	}
	return answer.Jobs[0].Tasks
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// patience is how long the tests wait for what must come: far longer than it
// takes, as a machine may be busy. How soon things come is for the figures.
const patience = 5 * time.Minute

// eventually polls until holds returns "", or fails the test with what it
// last said. It is how the tests wait for other processes.
func eventually(t *testing.T, within time.Duration, holds func() string) {
	t.Helper()
	eventuallyEvery(t, 200*time.Millisecond, within, holds)
}

// eventuallyEvery is eventually with the time between two polls.
func eventuallyEvery(t *testing.T, pause, within time.Duration, holds func() string) {
	t.Helper()
	missing := ""
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(pause) {
		if missing = holds(); missing == "" {
			return
		}
	}
	t.Fatalf("after %s: %s", within, missing)
}
