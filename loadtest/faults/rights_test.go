//go:build e2e

package faults

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// What the broker kafkasec knows of the user.
const (
	userPassword = "e2ecaltrop"
	canary       = "canary-77a1" // a password that it does not know
)

// A right is an operation that the user may do on the topics, groups or
// transactional ids whose names begin so, and what is said where it may not.
type right struct {
	kind  ck.ResourceType
	begin string
	op    ck.ACLOperation
	said  string
}

func (g *right) binding() ck.ACLBinding {
	return ck.ACLBinding{Type: g.kind, Name: g.begin, ResourcePatternType: ck.ResourcePatternTypePrefixed,
		Principal: "User:caltrop", Host: "*", Operation: g.op, PermissionType: ck.ACLPermissionTypeAllow}
}

// rights are what docs/operations.md says that a process needs. What it does only at
// its start, or seldom, is not asked for while it runs: nothing is said of it then.
func (r *rig) rights() []right {
	own := r.Name + "."
	return []right{
		{ck.ResourceTopic, own, ck.ACLOperationCreate, ""},
		{ck.ResourceTopic, own, ck.ACLOperationDescribeConfigs, ""},
		{ck.ResourceTopic, own, ck.ACLOperationDelete, ""},
		{ck.ResourceTopic, own, ck.ACLOperationRead, "grant Read on topic " + own},
		{ck.ResourceTopic, own, ck.ACLOperationWrite, "grant Write on topic " + own},
		{ck.ResourceTopic, r.Name + "-", ck.ACLOperationRead, "grant Read on topic " + r.topic("payment")},
		{ck.ResourceGroup, own, ck.ACLOperationRead, "grant Read on group " + own},
		{ck.ResourceTransactionalID, own, ck.ACLOperationWrite, "grant Write on transactional id " + own},
	}
}

// superuser is an administrative client of the broker's plain listener.
func (r *rig) superuser() *ck.AdminClient {
	r.t.Helper()
	admin, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "enable.metrics.push": false})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(admin.Close)
	return admin
}

func (r *rig) grant(admin *ck.AdminClient, all ...right) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var bindings ck.ACLBindings
	for i := range all {
		bindings = append(bindings, all[i].binding())
	}
	results, err := admin.CreateACLs(ctx, bindings)
	for i := range results {
		if err == nil && results[i].Error.Code() != ck.ErrNoError {
			err = results[i].Error
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) revoke(admin *ck.AdminClient, g right) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := admin.DeleteACLs(ctx, ck.ACLBindingFilters{ck.ACLBindingFilter(g.binding())}); err != nil {
		r.t.Fatal(err)
	}
}

// secured are the settings of a process that comes over TLS with a password.
func (r *rig) secured(ca, mechanism, variable string) settings {
	s := r.settings
	s.Brokers = os.Getenv("E2E_KAFKASEC_TLS")
	s.Security = fmt.Sprintf(", tls: {ca: %q}, sasl: {mechanism: %s, username: caltrop, password: {env: %s}}", ca, mechanism, variable)
	return s
}

// newSecureRig is a rig on the broker that asks for TLS, passwords and ACLs: a
// routed rule over two partitions.
func newSecureRig(t *testing.T) *rig {
	t.Helper()
	t.Setenv("CALTROP_E2E_PASSWORD", userPassword)
	t.Setenv("CALTROP_E2E_WRONG", canary)
	r := newRigOn(t, os.Getenv("E2E_KAFKASEC"), 1, []string{}...)
	r.only, r.partitions, r.History, r.Keyed, r.keyedLogs = []string{"payment"}, 2, "pebble", 2, 1
	r.streams = r.keyed("30s", "payment")
	_, busy, _ := strings.Cut(routedRules, "---\n")
	r.rules = []byte(busy)
	r.createTopics("payment")
	return r
}

// says waits until a process says this on /readyz, for its tasks or in its log after
// this many bytes.
func (p *process) says(what string, after int) {
	p.t.Helper()
	eventually(p.t, patience, func() string {
		log, _ := os.ReadFile(p.log)
		said := fmt.Sprint(p.get("/readyz", &json.RawMessage{}), p.tasks(), string(log[min(after, len(log)):]))
		if strings.Contains(said, canary) || strings.Contains(said, userPassword) {
			p.t.Fatalf("a password is printed: %s", said)
		}
		if !strings.Contains(said, what) {
			return fmt.Sprintf("%q is not said: %s", what, said)
		}
		return ""
	})
}

func (p *process) logSize() int {
	log, _ := os.ReadFile(p.log)
	return len(log)
}

// TestEachRightIsNeededAndNamed runs a job with the least rights over TLS, first with
// none and then with each taken away alone, while events come: what is lacking is
// named, the process goes on when it is granted, and nothing is lost or twice.
func TestEachRightIsNeededAndNamed(t *testing.T) {
	r := newSecureRig(t)
	admin, rights := r.superuser(), r.rights()
	in := r.generate(*seed, 2000)
	want := r.matched(in)
	if len(want) < 20 {
		t.Fatalf("only %d alerts are expected: the test would show little", len(want))
	}
	p := newProcess(t, r.binary, r.secured(filepath.Join(os.Getenv("E2E_KAFKASEC_KEYS"), "ca.pem"), "SCRAM-SHA-512", "CALTROP_E2E_PASSWORD"), "a")
	p.start()
	p.says("grant Create on topic "+r.Name+".", 0)
	r.grant(admin, rights...)
	r.install(p, p)
	live := in.records[:len(in.records)-in.closing]
	for i, g := range rights {
		r.revoke(admin, g)
		at := p.logSize()
		if g.op == ck.ACLOperationDescribeConfigs { // of what it has at its start
			p.kill()
			p.start()
			p.says("what a topic keeps was not checked: grant DescribeConfigs on it", at)
		}
		if err := r.produce(live[i*len(live)/len(rights):(i+1)*len(live)/len(rights)], 0); err != nil {
			t.Fatal(err)
		}
		p.says(g.said, at)
		r.grant(admin, g)
		r.ready(p)
	}
	if err := r.produce(in.records[len(live):], 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, func() string { return want.difference(r.committed()) })
	r.sameInHistory(p)
}

// TestT48T49ABrokerThatRefusesIsExplained starts processes that the broker does not let in,
// and gives the broker certificates that are to be refused: each says why, and goes by
// which setting.
func TestT48T49ABrokerThatRefusesIsExplained(t *testing.T) {
	r := newSecureRig(t)
	admin := r.superuser()
	r.grant(admin, r.rights()...)
	keys := os.Getenv("E2E_KAFKASEC_KEYS")
	ca := filepath.Join(keys, "ca.pem")
	without, plain := r.secured(ca, "PLAIN", "CALTROP_E2E_PASSWORD"), r.secured(ca, "PLAIN", "CALTROP_E2E_PASSWORD")
	without.Security, plain.Security = fmt.Sprintf(", tls: {ca: %q}", ca), ""
	refused := func(name string, s settings, said string) {
		p := newProcess(t, r.binary, s, name)
		p.start()
		p.says(said, 0)
		p.kill()
	}
	refused("scram", r.secured(ca, "SCRAM-SHA-512", "CALTROP_E2E_WRONG"), "(kafka.sasl.username, kafka.sasl.password)")
	refused("password", r.secured(ca, "PLAIN", "CALTROP_E2E_WRONG"), "(kafka.sasl.username, kafka.sasl.password)")
	refused("mechanism", r.secured(ca, "SCRAM-SHA-256", "CALTROP_E2E_PASSWORD"), "(kafka.sasl.mechanism)")
	refused("nobody", without, "(kafka.sasl)")
	refused("plain", plain, "speaks TLS, which is not configured (kafka.tls)")

	own, foreign := newAuthority(t), newAuthority(t)
	both := filepath.Join(r.Dir, "both.pem")
	first, err := os.ReadFile(ca)
	if err == nil {
		err = os.WriteFile(both, append(first, own.text...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.shows(admin, ck.AlterConfigOpTypeDelete, "") })
	p := newProcess(t, r.binary, r.secured(both, "PLAIN", "CALTROP_E2E_PASSWORD"), "rotated")
	p.start()
	r.ready(p)
	r.present(admin, own.signs(t, time.Now().Add(time.Hour))) // a rotation
	refused("foreign", r.secured(ca, "PLAIN", "CALTROP_E2E_PASSWORD"), "certificate signed by unknown authority")
	r.ready(p)
	r.present(admin, own.signs(t, time.Now().Add(-time.Hour)))
	refused("expired", r.secured(both, "PLAIN", "CALTROP_E2E_PASSWORD"), "certificate has expired")
	r.present(admin, foreign.signs(t, time.Now().Add(time.Hour)))
	refused("other", r.secured(both, "PLAIN", "CALTROP_E2E_PASSWORD"), "certificate signed by unknown authority")
	r.ready(p) // by the connections that it has
}

// present lets the broker show another certificate to who connects from now on.
func (r *rig) present(admin *ck.AdminClient, keyAndCertificate []byte) {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "broker.pem")
	if err := os.WriteFile(path, keyAndCertificate, 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.shows(admin, ck.AlterConfigOpTypeSet, path)
	_, rest := pem.Decode(keyAndCertificate)
	want, _ := pem.Decode(rest)
	eventually(r.t, patience, func() string {
		conn, err := tls.Dial("tcp", os.Getenv("E2E_KAFKASEC_TLS"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		if !bytes.Equal(conn.ConnectionState().PeerCertificates[0].Raw, want.Bytes) {
			return "the broker shows another certificate"
		}
		return ""
	})
}

// shows changes the setting of the broker's file of key and certificate.
func (r *rig) shows(admin *ck.AdminClient, op ck.AlterConfigOpType, path string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	results, err := admin.IncrementalAlterConfigs(ctx, []ck.ConfigResource{{Type: ck.ResourceBroker, Name: "1", Config: []ck.ConfigEntry{{
		Name: "listener.name.secure.ssl.keystore.location", Value: path, IncrementalOperation: op}}}})
	if err == nil && results[0].Error.Code() != ck.ErrNoError {
		err = results[0].Error
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// An authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	text []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t), cert: &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "other-ca"}, NotBefore: time.Now().AddDate(-1, 0, 0),
		NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}}
	a.text = a.sign(t, a.cert, a.key)
	return a
}

// signs is a key and a certificate of the broker that ends then, as the broker reads them.
func (a *authority) signs(t *testing.T, ends time.Time) []byte {
	t.Helper()
	key := newKey(t)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kafka"}, NotBefore: ends.Add(-48 * time.Hour), NotAfter: ends, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	return bytes.Join([][]byte{pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), a.sign(t, c, key)}, nil)
}

func (a *authority) sign(t *testing.T, c *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
