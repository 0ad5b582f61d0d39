package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/caltrop/caltrop/internal/secure"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// telemetryConfig says where metrics go besides /metrics.
type telemetryConfig struct {
	OTLP otlpConfig `yaml:"otlp"`
}

type otlpConfig struct {
	Endpoint string        `yaml:"endpoint"` // "": nowhere
	Every    time.Duration `yaml:"every"`
	Token    secure.Secret `yaml:"token"`
	TLS      *secure.TLS   `yaml:"tls"`
}

// Bounds of telemetry.
const (
	telemetryDefault = 30 * time.Second
	telemetryTimeout = 10 * time.Second
	telemetryFlush   = 2 * time.Second // at the end of the process
)

func (o *otlpConfig) check() error {
	u, err := url.Parse(o.Endpoint)
	switch {
	case o.Endpoint == "":
		return nil
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		return errors.New("telemetry.otlp.endpoint is not as http://collector:4318, without a user")
	case o.Every < time.Second:
		return fmt.Errorf("telemetry.otlp.every is %s, want at least 1s", o.Every)
	}
	if err := o.TLS.Validate(false); err != nil {
		return fmt.Errorf("telemetry.otlp.%w", err)
	}
	return nil
}

// readers returns what reads the metrics besides /metrics: one that sends them to
// the endpoint, where there is one. It connects to nothing yet.
func (o *otlpConfig) readers() ([]sdk.Reader, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	protection, err := clientTLS("telemetry.otlp", o.TLS)
	if err != nil {
		return nil, err
	}
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(o.Endpoint + "/v1/metrics"), otlpmetrichttp.WithTimeout(telemetryTimeout)}
	if protection != nil {
		options = append(options, otlpmetrichttp.WithTLSClientConfig(protection))
	}
	switch token, err := o.Token.Read(); {
	case err != nil:
		return nil, fmt.Errorf("telemetry.otlp: %w", err)
	case token != "":
		options = append(options, otlpmetrichttp.WithHeaders(map[string]string{"Authorization": "Bearer " + token}))
	}
	exporter, err := otlpmetrichttp.New(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp: %w", err)
	}
	return []sdk.Reader{sdk.NewPeriodicReader(exporter, sdk.WithInterval(o.Every))}, nil
}
