package state

import "github.com/cockroachdb/pebble/v2"

// A Cache is memory that several databases share, outside of the heap: for blocks
// of their files, in what is left beside what they have gathered and not written.
// It is safe for concurrent use.
type Cache struct{ cache *pebble.Cache }

// NewCache returns a cache of so many bytes, which lasts as long as the process.
func NewCache(bytes int64) *Cache { return &Cache{pebble.NewCache(bytes)} }

// blocks is what a database wants; nil of no Cache.
func (c *Cache) blocks() *pebble.Cache {
	if c == nil {
		return nil
	}
	return c.cache
}
