package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Limits of a connection.
const (
	idleTimeMax  = 2 * time.Minute
	drainTimeMax = time.Second // for requests under way when the server stops
)

// Listen takes the address. A port in use is said so plainly.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is taken by another process: stop it, or choose another address", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return l, nil
}

// Serve answers requests on l until ctx ends, lets those under way finish for
// at most drainTimeMax, and returns nil; any other end is an error.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeMax,
		ReadTimeout:       headerTimeMax + bodyTimeMax + time.Second,
		WriteTimeout:      headerTimeMax + bodyTimeMax + requestTimeMax,
		IdleTimeout:       idleTimeMax,
		MaxHeaderBytes:    headerBytesMax,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeMax)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		err = server.Close()
	}
	<-ended
	if err != nil {
		return fmt.Errorf("stopping HTTP: %w", err)
	}
	return nil
}
