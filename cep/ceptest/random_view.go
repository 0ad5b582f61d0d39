package ceptest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// RandomView writes the body of a random view over the streams of drafts.
func RandomView(rng *rand.Rand) string {
	rule := RandomWindow(rng)
	body, _, _ := strings.Cut(rule, "having: ")
	every := []string{"", "every: 1ms\n", "every: 2s\n", "every: 5s\n"}[rng.IntN(4)]
	return body + fmt.Sprintf("to: [%s]\n%s", []string{"kafka", "redis", "redis, cassandra"}[rng.IntN(3)], every)
}
