package checkpoint

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// AsNewerFormat returns a manifest as a later build would write it.
func AsNewerFormat(b []byte) []byte {
	body := append([]byte(nil), b[:len(b)-manifestSum]...)
	body[len(manifestMagic)]++
	return binary.BigEndian.AppendUint64(body, xxh3.Hash(body))
}

// IsManifest reports whether b passes for a whole manifest.
func IsManifest(b []byte) bool {
	_, err := decodeManifest(b)
	return err == nil
}

// Needs returns the blobs that the kept checkpoints name.
func (k *Kept) Needs() map[string]bool {
	needs := map[string]bool{}
	for _, m := range k.whole {
		needs[manifestName(k.name, m.Epoch)] = true
		m.name(needs)
	}
	return needs
}
