package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caltrop/caltrop/internal/secure"
)

// piiConfig is what fields with pii: hash are hashed with.
type piiConfig struct {
	Key secure.Secret `yaml:"key"`
}

// hashKeyMin is the least length of a key, in bytes: a shorter one can be
// guessed.
const hashKeyMin = 16

// hashKey returns the key; nil where none is configured.
func (c *piiConfig) hashKey() ([]byte, error) {
	key, err := c.Key.Read()
	switch {
	case err != nil:
		return nil, fmt.Errorf("pii.key: %w", err)
	case key == "":
		return nil, nil
	case len(key) < hashKeyMin:
		return nil, fmt.Errorf("pii.key has %d bytes, want at least %d", len(key), hashKeyMin)
	}
	return []byte(key), nil
}

const piiKeyUsage = "file with the key that fields with pii: hash are hashed with; default: a public key, good for tries only"

// hashKeyOf reads the key of a command's flag; nil where it is not given.
func hashKeyOf(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	c := piiConfig{Key: secure.Secret{File: file}}
	return c.hashKey()
}

// devKey names the file of a key of `dev`, made where it is missing.
func devKey(data, name string) (secure.Secret, error) {
	path := filepath.Join(data, name)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return secure.Secret{File: path}, err
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return secure.Secret{}, fmt.Errorf("making the data directory: %w", err)
	}
	if err := os.WriteFile(path, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return secure.Secret{}, fmt.Errorf("making the key %s: %w", name, err)
	}
	return secure.Secret{File: path}, nil
}
