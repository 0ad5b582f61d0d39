package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/internal/secure"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/twmb/franz-go/pkg/kfake"
)

const canary = "canary-52e9"

// aCertificate is one of 127.0.0.1, which is its own authority.
func aCertificate(t *testing.T) (pair tls.Certificate, cert, key string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pair = s.TLS.Certificates[0]
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair, cert, key
}

// secretFile is a file with a secret.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secureBroker is a broker that asks for TLS and a user.
func secureBroker(t *testing.T, mechanism string) (brokers, ca string) {
	t.Helper()
	pair, ca, _ := aCertificate(t)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "caltrop.dlq", "caltrop.late"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}), kfake.EnableSASL(), kfake.Superuser(mechanism, "caltrop", canary))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return strings.Join(broker.ListenAddrs(), ","), ca
}

func TestKafkaIsReachedOverTLSWithAPassword(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			brokers, ca := secureBroker(t, mechanism)
			good, wrong := secretFile(t, canary), secretFile(t, canary+"-old")
			for name, c := range map[string]struct {
				ca, password string
				ok           bool
			}{"good": {ca, good, true}, "a wrong password": {ca, wrong, false}, "the system's authorities": {"", good, false}} {
				conf := writeConfig(t, fmt.Sprintf("kafka: {brokers: [%q], tls: {ca: '%s'}, sasl: {mechanism: %s, username: caltrop, password: {file: %q}}}\ndata: d\n",
					brokers, c.ca, mechanism, c.password))
				_, err := command(t, "dlq", "ls", "--config", conf)
				if (err == nil) != c.ok {
					t.Errorf("%s: %v", name, err)
				}
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Errorf("%s: the error prints the password: %v", name, err)
				}
			}
		})
	}
}

func TestTheInterfaceSpeaksTLS(t *testing.T) {
	_, cert, key := aCertificate(t)
	n := configured(t, fmt.Sprintf("kafka: {brokers: ['127.0.0.1:1']}\ndata: %q\nhttp: {address: '127.0.0.1:0', tls: {cert: %q, key: %q}}\n", t.TempDir(), cert, key), t.Output())
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, n.listener, n.handler, n.log) }()
	t.Cleanup(func() { cancel(); <-served; n.close() })
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	address := n.listener.Addr().String()
	res, err := client.Get("https://" + address + "/healthz")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("over TLS: %v, %v", res, err)
	}
	res.Body.Close()
	if res, err := http.Get("http://" + address + "/healthz"); err == nil && res.StatusCode == http.StatusOK {
		t.Error("it answers in plain text too")
	}
}

// A node's handshake with Cassandra is seen by a listener that knows no more.
func TestCassandraIsReachedOverTLS(t *testing.T) {
	pair, ca, _ := aCertificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	shook := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.(*tls.Conn).Handshake()
			conn.Close()
		}
		select {
		case shook <- err:
		default:
		}
	}()
	path := writeConfig(t, fmt.Sprintf("kafka: {brokers: [a]}\ndata: d\nhistory: {kind: cassandra, cassandra: {hosts: ['127.0.0.1'], port: %d, tls: {ca: %q}, username: u, password: {file: %q}}}\n",
		l.Addr().(*net.TCPAddr).Port, ca, secretFile(t, canary)))
	c, err := readConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := newLog(t.Output(), c.Log)
	if err != nil {
		t.Fatal(err)
	}
	h, err := openHistory(c, log)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	go h.Alert(ctx, alert.ID{})
	select {
	case err := <-shook:
		if err != nil {
			t.Errorf("the handshake ended with %v", err)
		}
	case <-ctx.Done():
		t.Error("nobody came")
	}
}

// locked is a log that several goroutines write; waited is closed once it says
// that Kafka is waited for.
type locked struct {
	mu     sync.Mutex
	b      bytes.Buffer
	once   sync.Once
	waited chan struct{}
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Contains(p, []byte("waiting for kafka")) {
		l.once.Do(func() { close(l.waited) })
	}
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Fault 48: no secret of the configuration is in what a process that cannot get
// through writes, answers or returns.
func TestT48SecretsAreNotPrinted(t *testing.T) {
	brokers, ca := secureBroker(t, "SCRAM-SHA-256")
	wrong := secretFile(t, canary+"-old")
	t.Setenv("CALTROP_TEST_REGISTRY", canary+"-registry")
	written := locked{waited: make(chan struct{})}
	n := configured(t, fmt.Sprintf(`
kafka: {brokers: [%q], tls: {ca: %q}, sasl: {mechanism: SCRAM-SHA-256, username: caltrop, password: {file: %q}}}
schema_registry: {urls: ['http://127.0.0.1:1'], username: u, password: {env: CALTROP_TEST_REGISTRY}}
history: {kind: cassandra, cassandra: {hosts: ['127.0.0.1'], port: 1, username: u, password: {file: %q}}}
http: {address: '127.0.0.1:0'}
log: {level: debug}
data: %q
`, brokers, ca, wrong, wrong, t.TempDir()), &written)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	select {
	case <-written.waited:
	case <-ctx.Done():
		t.Error("the process does not say that it waits")
	}
	for _, path := range []string{"/metrics", "/readyz", "/v1/jobs", "/v1/alerts", "/v1/rules"} {
		res, err := http.Get("http://" + n.listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(&written, res.Body)
		res.Body.Close()
	}
	cancel()
	err := <-ended
	fmt.Fprintf(&written, "%v %+v %+v", err, n.conf, errors.Unwrap(err))
	if text := written.String(); strings.Contains(text, canary) {
		t.Errorf("a secret is printed:\n%s", text)
	}
}

func TestAnInsecureConfigurationIsRefused(t *testing.T) {
	good := "kafka: {brokers: ['127.0.0.1:9092'], %s}\ndata: d\n%s"
	cases := []struct{ name, kafka, rest, want string }{
		{"a password in the file", "sasl: {mechanism: PLAIN, username: u, password: " + canary + "}", "", "does not stand in the configuration"},
		{"a password in the settings", "settings: {sasl.password: " + canary + "}", "", "sasl.password is a secret"},
		{"a key in the settings", "settings: {ssl.key.pem: " + canary + "}", "", "ssl.key.pem is a secret"},
		{"uncommitted records", "settings: {isolation.level: read_uncommitted}", "", "kafka.settings: isolation.level is not to be set"},
		{"a group of ours", "settings: {group.id: mine}", "", "kafka.settings: group.id is not to be set"},
		{"an unknown mechanism", "sasl: {mechanism: NTLM}", "", `sasl: mechanism is "NTLM"`},
		{"a user without a mechanism", "sasl: {username: u}", "", "mechanism is missing"},
		{"a user without a password", "sasl: {mechanism: PLAIN, username: u}", "", "username and password are needed"},
		{"a certificate without its key", "tls: {cert: c}", "", "kafka.tls: cert and key go together"},
		{"another name of brokers", "tls: {server_name: x}", "", "server_name does not apply"},
		{"a server without a certificate", "", "http: {tls: {}}\n", "http.tls: cert and key are needed"},
		{"an unknown key of tls", "tls: {verify: false}", "", "verify is no key here"},
		{"a registry that is no address", "", "schema_registry: {urls: [registry]}\n", "not as https://registry:8081"},
		{"a password in an address", "", "schema_registry: {urls: ['http://u:" + canary + "@registry']}\n", "has a user"},
		{"a password of Cassandra in the file", "", "history: {cassandra: {password: " + canary + "}}\n", "does not stand in the configuration"},
	}
	for _, c := range cases {
		_, err := readConfig(writeConfig(t, fmt.Sprintf(good, c.kafka, c.rest)))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v, want an error with %q, without the secret", c.name, err, c.want)
		}
	}
	c, err := readConfig(writeConfig(t, fmt.Sprintf(good, "sasl: {mechanism: PLAIN, username: u, password: {env: CALTROP_TEST_UNSET}}", "")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Kafka.options(); err == nil || !strings.Contains(err.Error(), "CALTROP_TEST_UNSET") {
		t.Errorf("a secret that is not there: %v", err)
	}
	c.Kafka.SASL, c.Kafka.TLS = saslConfig{}, &secure.TLS{CA: "absent.pem"}
	if _, err := c.Kafka.options(); err == nil || !strings.Contains(err.Error(), "kafka.tls: reading the authorities: open absent.pem") {
		t.Errorf("a file that is not there: %v", err)
	}
}
