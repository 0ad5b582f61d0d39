package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caltrop/caltrop/rules"
	"github.com/spf13/cobra"
)

func rulesStateCommand() *cobra.Command {
	var address string
	var revision int
	cmd := &cobra.Command{
		Use:   "state NAME draft|shadow|live|paused|retired",
		Short: "Bring a rule of a running Caltrop to another state",
		Long: `Bring a rule of a running Caltrop to another state. A rule that is there already
is left as it is; a move that is not possible is refused, and the message says
what is.

Exit codes: 0 the rule is in that state, 1 it is not.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return moveRule(cmd.Context(), cmd.OutOrStdout(), address, args[0], rules.State(args[1]), revision)
		},
	}
	cmd.Flags().StringVar(&address, "api", defaultAPI, "address of a running Caltrop")
	cmd.Flags().IntVar(&revision, "revision", 0, "which one is meant, where a draft or shadow stands beside a paused revision")
	return cmd
}

// states are those that a rule can be brought to.
var states = []rules.State{rules.Draft, rules.Shadow, rules.Live, rules.Paused, rules.Retired}

func moveRule(ctx context.Context, w io.Writer, address, name string, to rules.State, revision int) error {
	if !slices.Contains(states, to) {
		return fmt.Errorf("there is no state %q: say draft, shadow, live, paused or retired", to)
	}
	query := url.Values{"to": {string(to)}}
	if revision > 0 {
		query.Set("revision", strconv.Itoa(revision))
	}
	var is movedRule
	at := strings.TrimSuffix(address, "/") + "/v1/rules/" + url.PathEscape(name) + "/state?" + query.Encode()
	if err := ask(ctx, http.MethodPost, at, http.StatusOK, &is); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "rule", name, is.text())
	return err
}

// A movedRule is what the REST interface says of a rule.
type movedRule struct {
	Revision int
	State    string
	Trial    *movedRule
}

func (r *movedRule) text() string {
	text := fmt.Sprintf("is %s at revision %d", r.State, r.Revision)
	if r.Trial != nil {
		text += fmt.Sprintf(", with revision %d as %s", r.Trial.Revision, r.Trial.State)
	}
	return text
}
