package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/internal/api"
)

func TestTakenPortIsSaidPlainly(t *testing.T) {
	l, err := api.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = api.Listen(t.Context(), l.Addr().String())
	if want := "the address " + l.Addr().String() + " is taken by another process"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Listen = %v, want %q", err, want)
	}
}

// serve runs h on a real port until the returned function is called, which
// gives what Serve returned.
func serve(t *testing.T, h http.Handler) (address string, stop func() error) {
	t.Helper()
	l, err := api.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(cancel)
	return l.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

// A request under way when the server stops is answered.
func TestStoppingLetsRequestsFinish(t *testing.T) {
	under, release := make(chan struct{}), make(chan struct{})
	address, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(under)
		<-release
		io.WriteString(w, "done")
	}))
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + address)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-under
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve = %v, want nil when its context ends", err)
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	address, _ := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request was let in") }))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("a", 64<<10))
	status, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(status, "431") {
		t.Errorf("the answer begins with %q, %v; want 431", status, err)
	}
}
