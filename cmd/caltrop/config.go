package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/internal/secure"
	"go.yaml.in/yaml/v3"
)

// config is the file of `serve --config`. deploy/serve.yaml documents each key;
// an unknown one is an error.
type config struct {
	Job        string           `yaml:"job"`
	Instance   string           `yaml:"instance"`
	Generation int              `yaml:"generation"`
	Kafka      kafkaConfig      `yaml:"kafka"`
	Registry   registryConfig   `yaml:"schema_registry"`
	HTTP       httpConfig       `yaml:"http"`
	Data       string           `yaml:"data"`
	Checkpoint checkpointConfig `yaml:"checkpoints"`
	History    historyConfig    `yaml:"history"`
	Redis      redisConfig      `yaml:"redis"`
	PII        piiConfig        `yaml:"pii"`
	Webhooks   webhooksConfig   `yaml:"webhooks"`
	Memory     byteSize         `yaml:"memory"`
	Telemetry  telemetryConfig  `yaml:"telemetry"`
	Log        logConfig        `yaml:"log"`
}

type kafkaConfig struct {
	Brokers     []string          `yaml:"brokers"`
	Prefix      string            `yaml:"prefix"`
	Replication int               `yaml:"replication"`
	Settings    map[string]string `yaml:"settings"`
	CommitEvery time.Duration     `yaml:"commit_every"`
	TLS         *secure.TLS       `yaml:"tls"` // nil: plain text
	SASL        saslConfig        `yaml:"sasl"`
	Keyed       int               `yaml:"keyed_partitions"`
}

type httpConfig struct {
	Address string      `yaml:"address"`
	TLS     *secure.TLS `yaml:"tls"` // nil: plain text
}

type checkpointConfig struct {
	Directory string        `yaml:"directory"`
	S3        s3Config      `yaml:"s3"`
	Every     time.Duration `yaml:"every"`
	From      string        `yaml:"from_savepoint"` // JOB/NAME; "": none
}

type s3Config struct {
	Endpoint      string `yaml:"endpoint"` // "": checkpoints go to the directory
	Bucket        string `yaml:"bucket"`
	Prefix        string `yaml:"prefix"`
	Region        string `yaml:"region"`
	AccessKey     string `yaml:"access_key"`
	SecretKeyFile string `yaml:"secret_key_file"`
}

type historyConfig struct {
	Kind      string          `yaml:"kind"` // cassandra | pebble
	Cassandra cassandraConfig `yaml:"cassandra"`
}

type cassandraConfig struct {
	Hosts       []string      `yaml:"hosts"`
	Port        int           `yaml:"port"`
	Keyspace    string        `yaml:"keyspace"`
	Datacenter  string        `yaml:"datacenter"`
	Replication int           `yaml:"replication"`
	Consistency string        `yaml:"consistency"`
	Username    string        `yaml:"username"`
	Password    secure.Secret `yaml:"password"`
	TLS         *secure.TLS   `yaml:"tls"` // nil: plain text
	TTL         time.Duration `yaml:"ttl"`
}

// redisConfig is where views go that name redis.
type redisConfig struct {
	Addresses []string      `yaml:"addresses"` // empty: there is none
	Cluster   bool          `yaml:"cluster"`
	Username  string        `yaml:"username"`
	Password  secure.Secret `yaml:"password"`
	Database  int           `yaml:"database"`
	TLS       *secure.TLS   `yaml:"tls"` // nil: plain text
	Prefix    string        `yaml:"prefix"`
	Grace     time.Duration `yaml:"grace"`
	Timeout   time.Duration `yaml:"timeout"`

	empty bool // it begins empty, with this process: views are read from the topic's start
}

type logConfig struct {
	Level  string `yaml:"level"`  // debug | info | warn | error
	Format string `yaml:"format"` // text | json
}

// A byteSize is a number of bytes, written as 512MiB, 1GiB or a plain number.
type byteSize int64

// UnmarshalYAML reads a size.
func (b *byteSize) UnmarshalYAML(n *yaml.Node) error {
	var number int64
	var unit string
	if _, err := fmt.Sscanf(n.Value+" ", "%d%s", &number, &unit); err != nil && number == 0 {
		return fmt.Errorf("line %d: %q is no size: write 512MiB or 1GiB", n.Line, n.Value)
	}
	scale, ok := map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
	if !ok || number <= 0 || number > math.MaxInt64/scale {
		return fmt.Errorf("line %d: %q is no size: write 512MiB or 1GiB", n.Line, n.Value)
	}
	*b = byteSize(number * scale)
	return nil
}

var savepointOfJob = regexp.MustCompile(`^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$`)

func (c *checkpointConfig) fromIsLegal() bool {
	return c.From == "" || savepointOfJob.MatchString(c.From)
}

// Defaults and bounds of config.
const (
	configBytesMax    = 1 << 20
	memoryDefault     = 512 << 20
	memoryMin         = 32 << 20
	checkpointDefault = 30 * time.Second
	addressDefault    = "127.0.0.1:8080"
	keyspaceDefault   = "caltrop"

	keyedPartitionsMax = 1024

	redisPrefixDefault  = "caltrop"
	redisGraceDefault   = time.Hour
	redisTimeoutDefault = time.Second
)

// readConfig reads a file and reports everything wrong with it at once.
func readConfig(path string) (*config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, configBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(text) > configBytesMax {
		return nil, fmt.Errorf("the configuration %s is over %d bytes", path, configBytesMax)
	}
	var c config
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the configuration %s: %w", path, plain(err))
	}
	if err := dec.Decode(&config{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the configuration %s holds more than one document", path)
	}
	c.fill()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("the configuration %s: %w", path, err)
	}
	return &c, nil
}

// How YAML's reader names the Go type that lacks a key, or that a value is not of.
var (
	typeInError = regexp.MustCompile(`field (\S+) not found in type \S+`)
	noNetwork   = regexp.MustCompile(`netip\.ParsePrefix\("([^"]*)"\): .*`)
	kindInError = regexp.MustCompile("cannot unmarshal !!\\w+ (`.*`) into (\\S+)")
)

// plain says which keys are unknown, and what a value should be, in words of the file.
func plain(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return errors.New(noNetwork.ReplaceAllString(err.Error(), "webhooks.allow: $1 is no network, as 10.1.0.0/16"))
	}
	text := typeInError.ReplaceAllString(strings.Join(wrong.Errors, "; "), "$1 is no key here, deploy/serve.yaml has them all")
	return errors.New(kindInError.ReplaceAllStringFunc(text, func(of string) string {
		value, kind := kindInError.FindStringSubmatch(of)[1], kindInError.FindStringSubmatch(of)[2]
		return value + " is not " + cmp.Or(kindsOfValues[kind], "what belongs here, as in deploy/serve.yaml")
	}))
}

var kindsOfValues = map[string]string{
	"time.Duration": "a time with its unit, as 30s or 5m",
	"[]string":      "a list, as [a, b]",
	"int":           "a whole number within bounds",
	"bool":          "true or false",
}

// fill sets the defaults.
func (c *config) fill() {
	host, _ := os.Hostname() // only a default of a name for people
	c.Job = cmp.Or(c.Job, "main")
	c.Instance = cmp.Or(c.Instance, fmt.Sprintf("%s-%d", cmp.Or(host, "caltrop"), os.Getpid()))
	c.HTTP.Address = cmp.Or(c.HTTP.Address, addressDefault)
	c.Checkpoint.Every = cmp.Or(c.Checkpoint.Every, checkpointDefault)
	c.Memory = cmp.Or(c.Memory, memoryDefault)
	c.History.Kind = cmp.Or(c.History.Kind, "pebble")
	c.History.Cassandra.Keyspace = cmp.Or(c.History.Cassandra.Keyspace, keyspaceDefault)
	c.Telemetry.OTLP.Every = cmp.Or(c.Telemetry.OTLP.Every, telemetryDefault)
	c.Redis.Prefix = cmp.Or(c.Redis.Prefix, redisPrefixDefault)
	c.Redis.Grace = cmp.Or(c.Redis.Grace, redisGraceDefault)
	c.Redis.Timeout = cmp.Or(c.Redis.Timeout, redisTimeoutDefault)
	c.Log.Level = cmp.Or(c.Log.Level, "info")
	c.Log.Format = cmp.Or(c.Log.Format, "text")
	if c.Checkpoint.Directory == "" && c.Checkpoint.S3.Endpoint == "" && c.Data != "" {
		c.Checkpoint.Directory = filepath.Join(c.Data, "checkpoints")
	}
}

func (c *config) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Kafka.Brokers) > 0 && !slices.Contains(c.Kafka.Brokers, ""), "kafka.brokers: at least one address is needed, and none is empty")
	check(c.Data != "", "data: a directory is needed")
	check(c.Checkpoint.Every >= time.Second, "checkpoints.every is %s, want at least 1s", c.Checkpoint.Every)
	check(c.Checkpoint.fromIsLegal(), "checkpoints.from_savepoint is %q, want JOB/NAME", c.Checkpoint.From)
	check(c.Checkpoint.S3.Endpoint != "" || c.Checkpoint.S3 == s3Config{}, "checkpoints.s3.endpoint is missing")
	check(c.Checkpoint.Directory == "" || c.Checkpoint.S3.Endpoint == "", "checkpoints: a directory or s3, not both")
	check(c.Kafka.CommitEvery >= 0 && c.Kafka.CommitEvery <= time.Second, "kafka.commit_every is %s, want at most 1s", c.Kafka.CommitEvery)
	check(c.Kafka.Keyed >= 0 && c.Kafka.Keyed <= keyedPartitionsMax, "kafka.keyed_partitions is %d, want at most %d", c.Kafka.Keyed, keyedPartitionsMax)
	check(c.Memory >= memoryMin, "memory is %d bytes, want at least 32MiB", c.Memory)
	check(c.History.Kind == "cassandra" || c.History.Kind == "pebble", "history.kind is %q, want cassandra or pebble", c.History.Kind)
	check(c.History.Kind != "cassandra" || len(c.History.Cassandra.Hosts) > 0, "history.cassandra.hosts: at least one is needed")
	check(new(slog.Level).UnmarshalText([]byte(c.Log.Level)) == nil, "log.level is %q, want debug, info, warn or error", c.Log.Level)
	check(c.Log.Format == "text" || c.Log.Format == "json", "log.format is %q, want text or json", c.Log.Format)
	return errors.Join(errors.Join(errs...), c.checkSecurity(), c.Telemetry.OTLP.check())
}
