//go:build !amd64

package state

// fetch is for processors that are told what to fetch.
func fetch(*byte) {}
