package task

import (
	"math/rand/v2"
	"testing"

	"github.com/zeebo/xxh3"
)

func TestIDTableAgreesWithAMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		var table idTable
		want := map[xxh3.Uint128]int64{}
		for range 20_000 {
			// Few low halves, so that probes collide; the zero hash among them.
			id := xxh3.Uint128{Hi: r.Uint64N(4), Lo: r.Uint64N(300)}
			switch at := int64(r.IntN(1000)); r.IntN(3) {
			case 0:
				if id.Hi+id.Lo > 0 { // the zero hash stands for {0, 1}
					table.set(id, at)
					want[id] = at
				}
			case 1:
				table.removeUntil(id, at)
				if was, ok := want[notZero(id)]; ok && was <= at {
					delete(want, notZero(id))
				}
			default:
				got, ok := table.get(id)
				if was, has := want[notZero(id)]; ok != has || ok && got != was {
					t.Fatalf("seed %d: %v is at %d, %v, want %d, %v", seed, id, got, ok, was, has)
				}
			}
		}
		if table.count != len(want) {
			t.Fatalf("seed %d: %d ids, want %d", seed, table.count, len(want))
		}
	}
}
