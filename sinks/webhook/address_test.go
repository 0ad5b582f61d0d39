package webhook

import (
	"errors"
	"net/netip"
	"testing"
)

// Only addresses of the open network are called, in whatever form they come,
// and those that the configuration has.
func TestAddresses(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for address, want := range map[string]bool{
		"93.184.216.34":               true,
		"2606:4700::1111":             true,
		"10.1.2.3":                    true,
		"::ffff:10.1.2.3":             true,
		"fd00:1::7":                   true,
		"10.2.0.1":                    false,
		"172.16.0.1":                  false,
		"192.168.1.1":                 false,
		"127.0.0.1":                   false,
		"127.8.8.8":                   false,
		"0.0.0.0":                     false,
		"0.1.2.3":                     false,
		"169.254.169.254":             false,
		"100.64.0.1":                  false,
		"192.0.0.192":                 false,
		"198.18.0.1":                  false,
		"224.0.0.1":                   false,
		"240.0.0.1":                   false,
		"255.255.255.255":             false,
		"::":                          false,
		"::1":                         false,
		"::127.0.0.1":                 false,
		"::ffff:127.0.0.1":            false,
		"::ffff:169.254.169.254":      false,
		"64:ff9b::a9fe:a9fe":          false,
		"64:ff9b:1::1":                false,
		"2002:7f00:1::":               false,
		"2001:0:7f00:1::":             false,
		"fe80::1":                     false,
		"fe80::1%eth0":                false,
		"fec0::1":                     false,
		"fd00:2::1":                   false,
		"ff02::1":                     false,
		"100::1":                      false,
		"fd00:ec2::254":               false,
		"2001:0db8:0:0:0:0:0:1":       true, // of documents: nobody answers there
		"0:0:0:0:0:ffff:0a01:0203":    true,
		"0:0:0:0:0:ffff:c0a8:0101":    false,
		"0000:0000:0000:0000::0:0001": false,
	} {
		if got := permitted(netip.MustParseAddr(address), allow); got != want {
			t.Errorf("%s: permitted %t, want %t", address, got, want)
		}
	}
}

func TestDialledAddressesAreChecked(t *testing.T) {
	check := control(nil)
	for _, c := range []struct {
		network, address string
		refused          bool
	}{
		{"tcp4", "93.184.216.34:443", false},
		{"tcp6", "[2606:4700::1111]:443", false},
		{"tcp4", "169.254.169.254:80", true},
		{"tcp6", "[fe80::1%lo]:80", true},
		{"unix", "/run/docker.sock", true},
		{"udp4", "93.184.216.34:53", true},
	} {
		if err := check(t.Context(), c.network, c.address, nil); errors.Is(err, ErrAddress) != c.refused || !c.refused && err != nil {
			t.Errorf("%s %s: %v, want refused %t", c.network, c.address, err, c.refused)
		}
	}
	if err := check(t.Context(), "tcp4", "nonsense", nil); err == nil {
		t.Error("an address that cannot be read is dialled")
	}
}
