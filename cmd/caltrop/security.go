package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/engine/avro"
	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/secure"
)

// saslConfig is how Kafka knows who we are.
type saslConfig struct {
	Mechanism string        `yaml:"mechanism"` // PLAIN | SCRAM-SHA-256 | SCRAM-SHA-512; "": none
	Username  string        `yaml:"username"`
	Password  secure.Secret `yaml:"password"`
}

// registryConfig is the Schema Registry of Avro streams.
type registryConfig struct {
	URLs     []string      `yaml:"urls"` // empty: there is none
	Username string        `yaml:"username"`
	Password secure.Secret `yaml:"password"`
	TLS      *secure.TLS   `yaml:"tls"`
}

// checkSecurity reports what is wrong with how connections are protected.
func (c *config) checkSecurity() error {
	var errs []error
	under := func(section string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", section, err))
		}
	}
	under("kafka", c.Kafka.TLS.Validate(false))
	under("kafka", c.Kafka.SASL.check())
	under("http", c.HTTP.TLS.Validate(true))
	under("history.cassandra", c.History.Cassandra.TLS.Validate(false))
	under("redis", c.Redis.TLS.Validate(false))
	under("webhooks", c.Webhooks.TLS.Validate(false))
	for _, name := range slices.Sorted(maps.Keys(c.Webhooks.Secrets)) {
		if !c.Webhooks.Secrets[name].Given() {
			errs = append(errs, fmt.Errorf("webhooks.secrets.%s: want {file: PATH} or {env: NAME}", name))
		}
	}
	if len(c.Redis.Addresses) > 0 {
		if err := c.Redis.options().Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	under("schema_registry", c.Registry.TLS.Validate(false))
	if len(c.Registry.URLs) > 0 {
		if err := (avro.Options{URLs: c.Registry.URLs}).Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Kafka.TLS != nil && c.Kafka.TLS.ServerName != "" {
		errs = append(errs, errors.New("kafka.tls: server_name does not apply: brokers are known by their addresses"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Kafka.Settings)) {
		if holdsSecret(name) {
			errs = append(errs, fmt.Errorf("kafka.settings: %s is a secret: write it under kafka.sasl or kafka.tls, from a file or the environment", name))
		}
		if slices.Contains(ownSettings, name) {
			errs = append(errs, fmt.Errorf("kafka.settings: %s is not to be set: what is read, and what counts as done, goes by it", name))
		}
	}
	return errors.Join(errs...)
}

func (s *saslConfig) check() error {
	switch s.Mechanism {
	case "":
		if s.Username != "" || s.Password.Given() {
			return errors.New("sasl: mechanism is missing")
		}
		return nil
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if s.Username == "" || !s.Password.Given() {
			return errors.New("sasl: username and password are needed")
		}
		return nil
	}
	return fmt.Errorf("sasl: mechanism is %q, want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
}

// ownSettings of librdkafka decide what a client reads and commits, and which group
// it is in: each client has them as it needs them.
var ownSettings = []string{
	"bootstrap.servers", "metadata.broker.list", "group.id", "group.instance.id", "group.protocol", "partition.assignment.strategy", "transactional.id",
	"isolation.level", "auto.offset.reset", "enable.auto.commit", "enable.auto.offset.store", "enable.partition.eof", "enable.idempotence",
	"acks", "request.required.acks", "go.delivery.reports", "go.logs.channel.enable",
}

// holdsSecret reports whether a setting of librdkafka is a secret.
func holdsSecret(name string) bool {
	for _, part := range []string{"password", "secret", "ssl.key.pem", "sasl.oauthbearer.config"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// options returns how to reach the cluster, with the password read.
func (k *kafkaConfig) options() (kafka.Options, error) {
	settings := maps.Clone(k.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	set := func(name, value string) {
		if value != "" {
			settings[name] = value
		}
	}
	protection, err := clientTLS("kafka", k.TLS) // the library would not name the file
	if err != nil {
		return kafka.Options{}, err
	}
	if k.TLS != nil {
		set("security.protocol", "ssl")
		set("ssl.ca.location", k.TLS.CA)
		set("ssl.certificate.location", k.TLS.Cert)
		set("ssl.key.location", k.TLS.Key)
	}
	if k.SASL.Mechanism != "" {
		password, err := k.SASL.Password.Read()
		if err != nil {
			return kafka.Options{}, fmt.Errorf("kafka.sasl: %w", err)
		}
		set("security.protocol", "sasl_plaintext")
		if k.TLS != nil {
			set("security.protocol", "sasl_ssl")
		}
		set("sasl.mechanisms", k.SASL.Mechanism)
		set("sasl.username", k.SASL.Username)
		set("sasl.password", password)
	}
	return kafka.Options{Brokers: k.Brokers, Prefix: k.Prefix, Replication: k.Replication, KeyedPartitions: k.Keyed, Settings: settings, TLS: protection}, nil
}

// open returns the registry; nil where there is none.
func (r *registryConfig) open() (*avro.Registry, error) {
	if len(r.URLs) == 0 {
		return nil, nil
	}
	password, err := r.Password.Read()
	if err != nil {
		return nil, fmt.Errorf("schema_registry: %w", err)
	}
	protection, err := clientTLS("schema_registry", r.TLS)
	if err != nil {
		return nil, err
	}
	return avro.New(avro.Options{URLs: r.URLs, Username: r.Username, Password: password, TLS: protection})
}

// clientTLS reads the files of a section.
func clientTLS(section string, t *secure.TLS) (*tls.Config, error) {
	c, err := t.Client()
	if err != nil {
		return nil, fmt.Errorf("%s.tls: %w", section, err)
	}
	return c, nil
}
