package kafka

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A task that begins opens a producer and one reader, of its progress, its journal
// and its input in turn: the more clients, the longer a move of many tasks takes.
func TestATaskBeginsWithTwoClients(t *testing.T) {
	b := newBench(t)
	var connections atomic.Int64
	b.broker.ControlKey(int16(kmsg.ApiVersions), func(kmsg.Request) (kmsg.Response, error, bool) { // each begins with it
		b.broker.KeepControl()
		connections.Add(1)
		return nil, nil, false
	})
	b.engine()
	// Those of a client: to the bootstrap address, the broker, and the coordinator. The member of the group has as many.
	const tasks, clients, ofEach = 2, 2, 3
	if n := connections.Load(); n > (tasks*clients+1)*ofEach {
		t.Errorf("%d connections were opened for %d tasks, want %d for each client", n, tasks, ofEach)
	}
}
