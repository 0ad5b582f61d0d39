package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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
	"github.com/twmb/franz-go/pkg/kfake"
)

// aCertificate is one of 127.0.0.1 that ends then, and the file of it as its own
// authority.
func aCertificate(t *testing.T, ends time.Time) (pair tls.Certificate, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.AddDate(-1, 0, 0), NotAfter: ends, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, ca
}

func TestWhatKeepsUsOutsideIsNamed(t *testing.T) {
	t.Parallel()
	good, ca := aCertificate(t, time.Now().AddDate(0, 0, 1))
	_, foreign := aCertificate(t, time.Now().AddDate(0, 0, 1))
	expired, past := aCertificate(t, time.Now().AddDate(0, 0, -1))
	user := func() map[string]string {
		return map[string]string{"security.protocol": "sasl_ssl", "sasl.mechanisms": "PLAIN", "sasl.username": "caltrop", "sasl.password": "canary"}
	}
	for name, c := range map[string]struct {
		broker   tls.Certificate
		ca       string // "": no TLS
		settings map[string]string
		want     string
	}{
		"no user": {good, ca, map[string]string{"security.protocol": "ssl"}, "(kafka.sasl)"},
		"no TLS":  {good, "", map[string]string{}, "speaks TLS, which is not configured (kafka.tls)"},
		"foreign": {good, foreign, user(), "certificate signed by unknown authority"},
		"expired": {expired, past, user(), "certificate has expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{c.broker}}), kfake.EnableSASL(), kfake.Superuser("PLAIN", "caltrop", "canary"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(broker.Close)
			o := Options{Brokers: broker.ListenAddrs(), Settings: c.settings}
			if c.ca != "" {
				text, err := os.ReadFile(c.ca)
				if err != nil {
					t.Fatal(err)
				}
				o.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
				o.TLS.RootCAs.AppendCertsFromPEM(text)
				o.Settings["ssl.ca.location"] = c.ca
			}
			cluster := openOptions(t, o)
			b := &bench{t: t, cluster: cluster}
			b.background(func(ctx context.Context) { cluster.Prepare(ctx) })
			b.until(c.want, func() bool { return strings.Contains(fmt.Sprint(cluster.Waiting()), c.want) })
			if said := cluster.Waiting().Error(); strings.Contains(said, "canary") {
				t.Errorf("the password is printed: %s", said)
			}
		})
	}
}

// The lines are those of the client library over a broker of Kafka 4.3.
func TestWhatABrokerHasAgainstTheUserIsKept(t *testing.T) {
	for line, want := range map[string]string{
		"[thrd:sasl_ssl://h:1/bootstrap]: sasl_ssl://h:1/bootstrap: SASL authentication error: Authentication failed: Invalid username or password (after 343ms in state AUTH_REQ)":                                                    "SASL authentication error: Authentication failed: Invalid username or password (kafka.sasl.username, kafka.sasl.password)",
		"[thrd:sasl_ssl://h:1/bootstrap]: sasl_ssl://h:1/bootstrap: SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN,SCRAM-SHA-512 (after 352ms in state AUTH)": "SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN,SCRAM-SHA-512 (kafka.sasl.mechanism)",
		"[thrd:sasl_ssl://h:1/bootstrap]: sasl_ssl://h:1/bootstrap: SASL authentication error: SaslAuthenticateRequest failed: Local: Broker transport failure (after 0ms in state DOWN)":                                              "",
	} {
		c := openCluster(t, "127.0.0.1:1")
		c.heardOf(ck.LogEvent{Tag: "FAIL", Level: 3, Message: line})
		if got := c.shut(); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
		if c.heard(nil); c.shut() != "" {
			t.Error("kept though a broker has answered")
		}
	}
}

// A broker whose certificate expires, or whose passwords change, ends no reader.
func TestAReaderOutlivesABrokerThatRefuses(t *testing.T) {
	topic := "t"
	r := reader{place: ck.TopicPartition{Topic: &topic}}
	for _, code := range []ck.ErrorCode{ck.ErrSsl, ck.ErrAuthentication} {
		if err := r.fail(ck.NewError(code, "", false)); err != nil {
			t.Errorf("%s ends it: %v", code, err)
		}
	}
}
