//go:build e2e

package redis_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/sinks/redis"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

const password = "canary-61d4"

// protected starts a Redis server of the test's own, which asks for TLS and a
// password, and returns how to reach it.
func protected(t *testing.T) redis.Options {
	t.Helper()
	dir := t.TempDir()
	s := httptest.NewTLSServer(nil) // its certificate is its own authority, for 127.0.0.1
	pair, authority := s.TLS.Certificates[0], s.Certificate()
	s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	conf := fmt.Sprintf("bind 127.0.0.1\nport 0\ntls-port %s\ntls-cert-file %s/cert.pem\ntls-key-file %s/key.pem\ntls-auth-clients no\nrequirepass %s\nsave \"\"\ndir %s\n",
		port, dir, dir, password, dir)
	server := exec.Command("redis-server", "-")
	server.Stdin, server.Stderr = strings.NewReader(conf), os.Stderr
	if err := server.Start(); err != nil {
		t.Fatalf("starting redis-server (`make e2e` installs it): %v", err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	return redis.Options{Addresses: []string{address}, Password: password, TLS: &tls.Config{RootCAs: pool}, Timeout: 10 * time.Second,
		Now: func() time.Time { return start }}
}

func openReal(t *testing.T, o redis.Options) *redis.Views {
	t.Helper()
	v, err := redis.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// TestViewsOverTLS is the suite over a real server, which asks for TLS and a
// password; without either nothing is to be had.
func TestViewsOverTLS(t *testing.T) {
	o := protected(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		_, err := openReal(t, o).Current(t.Context(), "card-session", "c1")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer: %v", err)
		}
	}
	for name, change := range map[string]func(*redis.Options){
		"no password":       func(o *redis.Options) { o.Password = "" },
		"another password":  func(o *redis.Options) { o.Password = "guess" },
		"no TLS":            func(o *redis.Options) { o.TLS = nil },
		"another authority": func(o *redis.Options) { o.TLS = &tls.Config{RootCAs: x509.NewCertPool()} },
	} {
		wrong := o
		change(&wrong)
		_, err := openReal(t, wrong).Current(t.Context(), "card-session", "c1")
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("with %s: %v, want an error without the password", name, err)
		}
	}
	n := 0
	sinktest.RunViews(t, func(t *testing.T) sinktest.ViewSink {
		n++
		each := o
		each.Prefix = fmt.Sprintf("suite%d", n)
		return sink{openReal(t, each)}
	})
}
