// Package secure reads what protects a connection: secrets from files or the
// environment, and TLS from files that may change while the process runs. No
// secret is a field of a value of it, so none is printed with one. The caller is
// cmd/caltrop.
package secure

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// secretBytesMax bounds what a file of a secret may hold.
const secretBytesMax = 64 << 10

// A Secret says where a secret is: in a file, or in a variable of the
// environment. The zero Secret is none. It never holds the secret itself.
type Secret struct {
	File string `yaml:"file"`
	Env  string `yaml:"env"`
}

// UnmarshalYAML refuses a secret that stands in the configuration, without
// printing it.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a secret does not stand in the configuration: write {file: PATH} or {env: NAME}", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		value := n.Content[i+1]
		switch n.Content[i].Value {
		case "file":
			s.File = value.Value
		case "env":
			s.Env = value.Value
		default:
			return fmt.Errorf("line %d: a secret has no key but file and env", n.Content[i].Line)
		}
		if value.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: the place of a secret is a text", value.Line)
		}
	}
	return nil
}

// Given reports whether there is a secret.
func (s Secret) Given() bool { return s != Secret{} }

// Read returns the secret, without the line's end that a file may have; "" of the
// zero Secret. An error names the place, never what is there.
func (s Secret) Read() (string, error) {
	switch {
	case s.File != "" && s.Env != "":
		return "", fmt.Errorf("the secret is in the file %s or in %s of the environment, not both", s.File, s.Env)
	case s.Env != "":
		value := os.Getenv(s.Env)
		if value == "" {
			return "", fmt.Errorf("the environment has no %s, where a secret should be", s.Env)
		}
		return value, nil
	case s.File == "":
		return "", nil
	}
	f, err := os.Open(s.File)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, secretBytesMax+1))
	switch value := strings.TrimRight(string(text), "\r\n"); {
	case err != nil:
		return "", fmt.Errorf("reading a secret: %w", err)
	case len(text) > secretBytesMax:
		return "", fmt.Errorf("the file %s of a secret is over %d bytes", s.File, secretBytesMax)
	case value == "":
		return "", errors.New("the file " + s.File + " of a secret is empty")
	default:
		return value, nil
	}
}
