package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// TLS names the files of one side of a connection. All are PEM.
type TLS struct {
	// CA are the authorities that the other side's certificate must be from. A
	// client without takes the system's; a server without asks for none.
	CA string `yaml:"ca"`
	// Cert and Key are this side's certificate, with those between it and the
	// authority behind it, and its key. A server needs them.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is the name in a server's certificate, where it is not that of
	// the address.
	ServerName string `yaml:"server_name"`
}

// Validate reports what is missing, without reading a file.
func (t *TLS) Validate(server bool) error {
	switch {
	case t == nil:
		return nil
	case (t.Cert == "") != (t.Key == ""):
		return errors.New("tls: cert and key go together")
	case server && t.Cert == "":
		return errors.New("tls: cert and key are needed")
	case server && t.ServerName != "":
		return errors.New("tls: server_name is a client's")
	}
	return nil
}

// Client returns the configuration of a client; nil of a nil TLS. The
// certificate is read again when its files change, the authorities are not.
func (t *TLS) Client() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	f := &files{TLS: *t}
	if _, err := f.current(); err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, RootCAs: f.read.authorities}
	if t.Cert != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			now, _ := f.current() // the last good one
			return now.certificate, nil
		}
	}
	return c, nil
}

// Server returns the configuration of a server; nil of a nil TLS. Its files are
// read again when they change; what cannot be read then is told to failed, once,
// and the connection has what was read last.
func (t *TLS) Server(failed func(error)) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	f := &files{TLS: *t}
	if _, err := f.current(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now, err := f.current()
			if err != nil {
				failed(err)
			}
			c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*now.certificate}, NextProtos: []string{"h2", "http/1.1"}}
			if now.authorities != nil {
				c.ClientCAs, c.ClientAuth = now.authorities, tls.RequireAndVerifyClientCert
			}
			return c, nil
		},
	}, nil
}

// files are read again when one of them has changed. Safe for concurrent use.
type files struct {
	TLS
	mu     sync.Mutex
	stamps [3]stamp // of ca, cert, key, when they were last looked at
	read   material
}

type stamp struct {
	size int64
	at   time.Time
}

// material is what the files say.
type material struct {
	certificate *tls.Certificate // nil: none is named
	authorities *x509.CertPool   // nil: none are named
}

// current returns what the files say. With an error, told once for each change,
// it is what they said before.
func (f *files) current() (material, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var stamps [3]stamp
	for i, path := range []string{f.CA, f.Cert, f.Key} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			stamps[i] = stamp{size: -1}
			continue
		}
		stamps[i] = stamp{info.Size(), info.ModTime()}
	}
	if stamps == f.stamps {
		return f.read, nil
	}
	f.stamps = stamps
	fresh, err := f.load()
	if err == nil {
		f.read = fresh
	}
	return f.read, err
}

func (f *files) load() (material, error) {
	var m material
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return m, fmt.Errorf("reading the certificate %s: %w", f.Cert, err)
		}
		m.certificate = &pair
	}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return m, fmt.Errorf("reading the authorities: %w", err)
		}
		m.authorities = x509.NewCertPool()
		if !m.authorities.AppendCertsFromPEM(text) {
			return m, fmt.Errorf("reading the authorities: %s holds no certificate", f.CA)
		}
	}
	return m, nil
}
