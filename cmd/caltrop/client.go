package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Bounds of one answer of a running Caltrop to a command.
const (
	answerBytesMax = 256 << 20
	answerTimeMax  = 30 * time.Second
)

// getJSON reads one answer of the REST interface into v; a problem document
// becomes the error.
func getJSON(ctx context.Context, address string, v any) error {
	return ask(ctx, http.MethodGet, address, http.StatusOK, v)
}

// postJSON sends an empty request, whose answer comes later, and reads what is
// said of it into v.
func postJSON(ctx context.Context, address string, v any) error {
	return ask(ctx, http.MethodPost, address, http.StatusAccepted, v)
}

func ask(ctx context.Context, method, address string, status int, v any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeMax)
	defer cancel()
	if !strings.Contains(address, "://") {
		return fmt.Errorf("asking %s: write the address as http://host:port", address)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", address, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s: %w", req.URL.Host, err)
	}
	defer res.Body.Close()
	body := json.NewDecoder(io.LimitReader(res.Body, answerBytesMax))
	if res.StatusCode != status {
		var p struct {
			Detail string
			Errors []struct{ Hint string }
		}
		if body.Decode(&p) != nil || p.Detail == "" {
			p.Detail = "no explanation"
		}
		if len(p.Errors) == 1 && p.Errors[0].Hint != "" {
			p.Detail += "; " + p.Errors[0].Hint
		}
		return fmt.Errorf("the server answered %s: %s", res.Status, p.Detail)
	}
	if err := body.Decode(v); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}
