//go:build e2e

package cassandra_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// TestTLSAndPassword writes over TLS with a password, and reads what is said where
// one of them is wrong: which it is, and never the password.
func TestTLSAndPassword(t *testing.T) {
	authority, err := os.ReadFile(os.Getenv("E2E_CASSANDRA_CA"))
	if err != nil {
		t.Fatal(err)
	}
	trusting := func(pem []byte) *tls.Config {
		pool := x509.NewCertPool()
		if pem != nil && !pool.AppendCertsFromPEM(pem) {
			t.Fatalf("no certificate in %s", pem)
		}
		return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	another := httptest.NewTLSServer(nil)
	defer another.Close()
	foreign := trusting(nil)
	foreign.RootCAs.AddCert(another.Certificate())
	renamed := trusting(authority)
	renamed.ServerName = "cassandra.example.com"
	right := options(t, fmt.Sprintf("secure_%d", time.Now().UnixNano()))
	drop(t, right)
	const wrong = "not-the-pa55word"
	for _, c := range []struct {
		name           string
		tls            *tls.Config
		user, password string
		want           string // of the error
	}{
		{"right", trusting(authority), right.Username, right.Password, ""},
		{"another authority", foreign, right.Username, wrong, "certificate signed by unknown authority"},
		{"another name", renamed, right.Username, wrong, "certificate"},
		{"wrong password", trusting(authority), right.Username, wrong, "password are incorrect"},
		{"unknown user", trusting(authority), "nobody", wrong, "password are incorrect"},
		{"no user", trusting(authority), "", "", "auth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := right
			o.TLS, o.Username, o.Password = c.tls, c.user, c.password
			var said bytes.Buffer
			o.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
			h := open(t, o)
			err := h.Write(t.Context(), []sinks.Record{sinktest.Alert{Name: c.name}.Record()})
			h.Close() // the log is whole then
			t.Log(err)
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("writing: %v, want %q", err, c.want)
			}
			if text := fmt.Sprint(err, said.String()); strings.Contains(text, wrong) {
				t.Errorf("the password is printed: %s", text)
			}
		})
	}
}
