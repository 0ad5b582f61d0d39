package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const canary = "canary-7c1f"

func TestASecretIsReadFromItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, canary+"\n")
	t.Setenv("CALTROP_TEST_SECRET", canary)
	for _, text := range []string{"{file: " + path + "}", "{env: CALTROP_TEST_SECRET}"} {
		var s Secret
		if err := yaml.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read()
		if err != nil || got != canary || !s.Given() {
			t.Errorf("%s: read %q, %v", text, got, err)
		}
		if shown := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(shown, canary) {
			t.Errorf("%s is printed as %s", text, shown)
		}
	}
	if got, err := (Secret{}).Read(); got != "" || err != nil || (Secret{}).Given() {
		t.Errorf("no secret: %q, %v", got, err)
	}
}

func TestASecretThatCannotBeReadIsNotPrinted(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/empty", "\n")
	write(t, dir+"/long", strings.Repeat(canary, secretBytesMax))
	for name, text := range map[string]string{
		"in the file":    canary,
		"a list":         "[" + canary + "]",
		"another key":    "{value: " + canary + "}",
		"a key too many": "{env: HOME, value: " + canary + "}",
		"no place":       "{file: [" + canary + "]}",
		"not there":      "{file: " + dir + "/none}",
		"empty":          "{file: " + dir + "/empty}",
		"too long":       "{file: " + dir + "/long}",
		"not set":        "{env: CALTROP_TEST_UNSET}",
		"at two places":  "{env: HOME, file: " + dir + "/long}",
	} {
		var s Secret
		err := yaml.Unmarshal([]byte(text), &s)
		if err == nil {
			_, err = s.Read()
		}
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, want an error without the secret", name, err)
		}
	}
}

// An authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) *authority {
	a := &authority{t: t, dir: dir, name: name}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	writePEM(t, a.path(), "CERTIFICATE", der)
	return a
}

func (a *authority) path() string { return filepath.Join(a.dir, a.name+".pem") }

// sign writes a certificate for a host, and its key.
func (a *authority) sign(name, host string, ends time.Time) (cert, key string) {
	a.t.Helper()
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<40))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: ends.Add(-2 * time.Hour), NotAfter: ends,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	writePEM(a.t, cert, "CERTIFICATE", der)
	writePEM(a.t, key, "EC PRIVATE KEY", secret)
	return cert, key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// write replaces a file as those who rotate do: whole, and with a new time.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if before, err := os.Stat(path); err == nil { // a file system may have coarse times
		at := before.ModTime().Add(time.Second)
		if err := os.Chtimes(path+".new", at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// serve answers over TLS; failures are what the server could not read.
func serve(t *testing.T, conf TLS) (address string, failures *[]error) {
	t.Helper()
	failures = new([]error)
	protection, err := conf.Server(func(err error) { *failures = append(*failures, err) })
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.Config.ErrorLog = nil
	s.Listener = tls.NewListener(s.Listener, protection)
	s.Start()
	t.Cleanup(s.Close)
	return "https://" + s.Listener.Addr().String(), failures
}

// get asks over a connection of its own and returns the server's certificate.
func get(address string, conf TLS) (serial *big.Int, err error) {
	c, err := conf.Client()
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	res, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return res.TLS.PeerCertificates[0].SerialNumber, nil
}

// Fault 49: what must not come through does not, and a new certificate is used
// without a restart.
func TestT49CertificatesAreCheckedAndRotated(t *testing.T) {
	dir := t.TempDir()
	ours, other := newAuthority(t, dir, "ours"), newAuthority(t, dir, "other")
	soon := time.Now().Add(time.Hour)
	cert, key := ours.sign("server", "127.0.0.1", soon)
	address, failures := serve(t, TLS{CA: ours.path(), Cert: cert, Key: key})
	mine, mineKey := ours.sign("client", "client", soon)
	good := TLS{CA: ours.path(), Cert: mine, Key: mineKey}
	before, err := get(address, good)
	if err != nil {
		t.Fatalf("a good client: %v", err)
	}
	theirs, theirsKey := other.sign("stranger", "client", soon)
	old, oldKey := ours.sign("expired", "client", time.Now().Add(-time.Minute))
	for name, bad := range map[string]TLS{
		"no certificate":      {CA: ours.path()},
		"of another":          {CA: ours.path(), Cert: theirs, Key: theirsKey},
		"an expired one":      {CA: ours.path(), Cert: old, Key: oldKey},
		"a server of another": {CA: other.path(), Cert: mine, Key: mineKey},
		"another server name": {CA: ours.path(), Cert: mine, Key: mineKey, ServerName: "elsewhere"},
	} {
		if _, err := get(address, bad); err == nil {
			t.Errorf("%s came through", name)
		}
	}

	ours.sign("server", "127.0.0.1", soon)
	after, err := get(address, good)
	if err != nil || after.Cmp(before) == 0 {
		t.Errorf("after a rotation: certificate %v, before %v; %v", after, before, err)
	}
	write(t, cert, "half a file")
	for range 2 {
		if same, err := get(address, good); err != nil || same.Cmp(after) != 0 {
			t.Errorf("with a file that cannot be read: certificate %v, %v", same, err)
		}
	}
	if len(*failures) != 1 {
		t.Errorf("told %d times that a file cannot be read, want once: %v", len(*failures), *failures)
	}
}

func TestAClientRotatesItsCertificate(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t, dir, "ours")
	cert, key := ours.sign("server", "127.0.0.1", time.Now().Add(time.Hour))
	address, _ := serve(t, TLS{CA: ours.path(), Cert: cert, Key: key})
	mine, mineKey := ours.sign("client", "client", time.Now().Add(-time.Minute))
	c, err := (&TLS{CA: ours.path(), Cert: mine, Key: mineKey}).Client()
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	if _, err := client.Get(address); err == nil {
		t.Error("an expired certificate came through")
	}
	ours.sign("client", "client", time.Now().Add(time.Hour))
	res, err := client.Get(address)
	if err != nil {
		t.Fatalf("after the rotation: %v", err)
	}
	res.Body.Close()
}

func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t, dir, "ours")
	cert, key := ours.sign("server", "127.0.0.1", time.Now().Add(time.Hour))
	_, otherKey := ours.sign("another", "127.0.0.1", time.Now().Add(time.Hour))
	write(t, dir+"/text", canary)
	for name, conf := range map[string]TLS{
		"no file":         {CA: dir + "/none", Cert: cert, Key: key},
		"no certificates": {CA: dir + "/text", Cert: cert, Key: key},
		"another's key":   {Cert: cert, Key: otherKey},
		"no key":          {Cert: cert, Key: dir + "/text"},
	} {
		_, client := conf.Client()
		_, server := conf.Server(func(error) {})
		if client == nil || server == nil || strings.Contains(errors.Join(client, server).Error(), canary) {
			t.Errorf("%s: client %v, server %v", name, client, server)
		}
	}
	for name, c := range map[string]struct {
		conf   *TLS
		server bool
		ok     bool
	}{
		"none":                  {nil, true, true},
		"a plain client":        {&TLS{}, false, true},
		"a key alone":           {&TLS{Key: "k"}, false, false},
		"a plain server":        {&TLS{}, true, false},
		"a server with a name":  {&TLS{Cert: "c", Key: "k", ServerName: "x"}, true, false},
		"a server":              {&TLS{Cert: "c", Key: "k", CA: "a"}, true, true},
		"a client with a name":  {&TLS{ServerName: "x"}, false, true},
		"a client with its own": {&TLS{Cert: "c", Key: "k"}, false, true},
	} {
		if err := c.conf.Validate(c.server); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
