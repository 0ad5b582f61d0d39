//go:build e2e

package redis_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/redis"
	"github.com/caltrop/caltrop/sinks/sinktest"
	"github.com/caltrop/caltrop/sinks/view"
)

// bare starts a Redis server of the test's own, and returns its address.
func bare(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir())
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatalf("starting redis-server (`make e2e` installs it): %v", err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	return address
}

// A server that refuses is told as it says it, nothing is given up, and the same
// projection stores all once that is mended.
func TestRefusedCommandsAreNamedAndMended(t *testing.T) {
	address := bare(t)
	admin := client.NewClient(&client.Options{Addr: address})
	defer admin.Close()
	for deadline := time.Now().Add(time.Minute); admin.Ping(t.Context()).Err() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not answer")
		}
	}
	v := openReal(t, redis.Options{Addresses: []string{address}, Username: "caltrop", Password: "secret", Timeout: 10 * time.Second})
	window := sinktest.Window{View: "card-session", Key: "c1", Start: start.UnixMicro()}
	for n, step := range []struct{ want, mend string }{
		{"WRONGPASS", "ACL SETUSER caltrop on >secret"},
		{"no permissions to run the 'eval'", "ACL SETUSER caltrop +eval"},
		{"~caltrop:*", "ACL SETUSER caltrop ~caltrop:*"},
		{"+hget", "ACL SETUSER caltrop +hget +hset"},
		{"+pexpire", "ACL SETUSER caltrop +pexpire"},
		{"", "CONFIG SET maxmemory 1"},
		{"OOM", "CONFIG SET maxmemory 0"},
		{"", "PING"},
	} {
		err := v.WriteViews(t.Context(), []sinks.ViewRecord{window.Update(n+1, view.Open)})
		var partial *sinks.BatchError
		if errors.As(err, &partial) && partial.Failed[0].Permanent {
			t.Errorf("it is given up: %v", err)
		}
		t.Logf("want %q: %v", step.want, err)
		if (err == nil) != (step.want == "") || err != nil && (!strings.Contains(err.Error(), step.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("got %v, want %s", err, step.want)
		}
		for _, key := range admin.Keys(t.Context(), "caltrop:*").Val() {
			if left := admin.PTTL(t.Context(), key).Val(); left <= 0 {
				t.Errorf("%s stays for ever", key)
			}
		}
		var command []any
		for _, word := range strings.Fields(step.mend) {
			command = append(command, word)
		}
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatalf("%s: %v", step.mend, err)
		}
	}
}
