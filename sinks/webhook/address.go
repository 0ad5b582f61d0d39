package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// ErrAddress says that a receiver's address is not one to be called.
var ErrAddress = errors.New("the receiver's address is private, local or reserved, and webhooks.allow of the configuration does not have it")

// reserved are the addresses besides the private, loopback, link-local and
// multicast ones that are no receiver of the open network. Of those that carry
// an address of IPv4 all are refused: what they reach is not to be seen.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by a carrier's customers
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// permitted reports whether an address may be called.
func permitted(a netip.Addr, allow []netip.Prefix) bool {
	a = a.Unmap().WithZone("")
	holds := func(p netip.Prefix) bool { return p.Contains(a) }
	if slices.ContainsFunc(allow, holds) {
		return true
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reserved, holds)
}

// control refuses a connection by the address that it is about to be made to:
// after names were resolved, so a name that changes its mind changes nothing.
func control(allow []netip.Prefix) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		if network != "tcp4" && network != "tcp6" {
			return fmt.Errorf("dialling %s: %w", network, ErrAddress)
		}
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("reading the address %s: %w", address, err)
		}
		if !permitted(to.Addr(), allow) {
			return fmt.Errorf("dialling %s: %w", to.Addr(), ErrAddress)
		}
		return nil
	}
}

// dialer dials what may be called.
func (o *Options) dialer() *net.Dialer {
	return &net.Dialer{Timeout: o.Timeout, ControlContext: control(o.Allow), Resolver: o.Resolver}
}
