package network

import (
	"net"
	"net/netip"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// Addresses are what a container of a user's network has. The namespace is its own, so every container may have the same.
type Addresses struct {
	// Container is its address with the length of the network's prefix.
	Container netip.Prefix
	// Gateway leads out; DNS answers as the host's resolver does.
	Gateway, DNS netip.Addr
	// HostLoopback says that the gateway's address is the host's loopback device too.
	HostLoopback bool
}

// The addresses that slirp4netns gives, and that the other drivers are told. Source: slirp4netns(1).
var subnet = netip.MustParsePrefix("10.0.2.0/24")

const (
	hostGateway   = 2
	hostDNS       = 3
	hostContainer = 100
)

// Plan says which addresses a container gets; nil without a driver. Options that are wrong are errors of class invalid.
func Plan(n *spec.Net) (*Addresses, error) {
	switch n.Driver {
	case spec.NetPasta:
		return planPasta(n.DriverOptions)
	case spec.NetSlirp4netns:
		o, err := parseSlirp(n.DriverOptions)
		if err != nil {
			return nil, err
		}
		a := addresses(o.subnet)
		a.HostLoopback = o.hostLoopback
		return &a, nil
	case spec.NetBuiltin:
		a := addresses(subnet)
		a.DNS = a.Gateway // the stack answers at the gateway's address alone
		return &a, nil
	}
	return nil, nil
}

func addresses(p netip.Prefix) Addresses {
	at := func(n byte) netip.Addr {
		b := p.Masked().Addr().As4()
		b[3] += n
		return netip.AddrFrom4(b)
	}
	return Addresses{Container: netip.PrefixFrom(at(hostContainer), p.Bits()), Gateway: at(hostGateway), DNS: at(hostDNS)}
}

// wayOut says that the host has a route to elsewhere.
func wayOut() bool { return WayOut("udp4") || WayOut("udp6") }

// WayOut says that the host has a route to elsewhere by that network, udp4 or udp6. Nothing is sent.
// Source: RFC 5737 and 3849, documentation addresses.
func WayOut(network string) bool {
	c, err := net.Dial(network, map[string]string{"udp4": "192.0.2.1:9", "udp6": "[2001:db8::1]:9"}[network])
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// HostAddress is the host's own as other machines see it, under which a container reaches the host and its own
// published ports; "" when there is none but loopback.
func HostAddress() string {
	// The kernel chooses the address for that way; nothing is sent. Source: RFC 5737, documentation addresses.
	if c, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		defer func() { _ = c.Close() }()
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok && !a.IP.IsLoopback() && !a.IP.IsUnspecified() {
			return a.IP.String()
		}
	}
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// badOption is an option of --network DRIVER: that is wrong.
func badOption(driver, option, format string, args ...any) *errdefs.Error {
	return errdefs.Invalid("--network", driver+":"+option, format, args...)
}

// cutOption splits NAME=VALUE, and -x,VALUE lists have been split before.
func cutOption(word string) (name, value string) {
	name, value, _ = strings.Cut(word, "=")
	return name, value
}
