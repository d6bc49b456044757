package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Port is a run of published ports: those of the host from HostPort on lead to those of the
// container from ContainerPort on.
type Port struct {
	// HostIP is the host's address to listen on; "" is all, of IPv4 and IPv6.
	HostIP        string `json:"host_ip"`
	HostPort      uint16 `json:"host_port"`
	ContainerPort uint16 `json:"container_port"`
	// Range is how many there are; at least 1.
	Range uint16 `json:"range"`
	// Protocol is tcp or udp.
	Protocol string `json:"protocol"`
}

// Each lists the ports of the run one by one.
func (p Port) Each() []Port {
	all := make([]Port, 0, p.Range)
	for i := range p.Range {
		q := p
		q.HostPort, q.ContainerPort, q.Range = p.HostPort+i, p.ContainerPort+i, 1
		all = append(all, q)
	}
	return all
}

// String is the port as ps and port print it, without the container's side: "0.0.0.0:8080".
func (p Port) String() string {
	host := p.HostIP
	if host == "" {
		host = "0.0.0.0"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p.Range > 1 {
		return fmt.Sprintf("%s:%d-%d", host, p.HostPort, p.HostPort+p.Range-1)
	}
	return fmt.Sprintf("%s:%d", host, p.HostPort)
}

// Inside is the container's side: "80/tcp".
func (p Port) Inside() string {
	if p.Range > 1 {
		return fmt.Sprintf("%d-%d/%s", p.ContainerPort, p.ContainerPort+p.Range-1, p.Protocol)
	}
	return fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)
}

// Meets says that both want a port of the host for themselves.
func (p Port) Meets(q Port) bool {
	return p.Protocol == q.Protocol && sharesAddress(p.HostIP, q.HostIP) &&
		int(p.HostPort) < int(q.HostPort)+int(q.Range) && int(q.HostPort) < int(p.HostPort)+int(p.Range)
}

// sharesAddress says that listening on both addresses is listening on one of them twice.
func sharesAddress(a, b string) bool {
	if a == "" || b == "" || a == b {
		return true
	}
	x, err1 := netip.ParseAddr(a)
	y, err2 := netip.ParseAddr(b)
	if err1 != nil || err2 != nil {
		return false
	}
	return x.Is4() == y.Is4() && (x.IsUnspecified() || y.IsUnspecified())
}

// ParsePort reads [[IP:][HOSTPORT]:]CONTAINERPORT[/PROTOCOL], each port being one or FIRST-LAST. A
// HostPort of 0 means any that is free. Errors are of class invalid.
func ParsePort(word string) (Port, error) {
	bad := func(format string, args ...any) (Port, error) {
		return Port{}, errdefs.Invalid("--publish", word, format, args...).
			WithHint("write [[IP:][HOSTPORT]:]CONTAINERPORT[/tcp|udp], where a port may be a range FIRST-LAST and an IPv6 address stands in brackets")
	}
	rest, protocol, given := strings.Cut(word, "/")
	if protocol = strings.ToLower(protocol); !given {
		protocol = "tcp"
	}
	switch protocol {
	case "tcp", "udp":
	case "sctp":
		return Port{}, errdefs.Unsupported("--publish", "%s: only tcp and udp ports can be published", word).
			WithHint("use --network host for sctp")
	default:
		return bad("%q is not a protocol", protocol)
	}
	p := Port{Protocol: protocol}
	if inner, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]:"); ok && strings.HasPrefix(rest, "[") {
		if addr, err := netip.ParseAddr(inner); err != nil || !addr.Is6() || addr.Zone() != "" {
			return bad("%q is not an IPv6 address", inner)
		}
		p.HostIP, rest = inner, after
		if !strings.Contains(rest, ":") {
			return bad("there is no port of the container")
		}
	}
	parts := strings.Split(rest, ":")
	if len(parts) == 3 && p.HostIP == "" {
		if parts[0] != "" {
			if addr, err := netip.ParseAddr(parts[0]); err != nil || !addr.Is4() {
				return bad("%q is not an IPv4 address", parts[0])
			}
		}
		p.HostIP, parts = parts[0], parts[1:]
	}
	host := ""
	switch len(parts) {
	case 1:
	case 2:
		host = parts[0]
	default:
		return bad("too many parts")
	}
	var ok bool
	if p.ContainerPort, p.Range, ok = portRange(parts[len(parts)-1]); !ok {
		return bad("%q is not a port of 1 to 65535", parts[len(parts)-1])
	}
	if host == "" || host == "0" {
		return p, nil
	}
	first, n, ok := portRange(host)
	if !ok {
		return bad("%q is not a port of 1 to 65535", host)
	}
	if n != p.Range {
		return bad("%d ports of the host and %d of the container", n, p.Range)
	}
	p.HostPort = first
	return p, nil
}

// portRange reads FIRST[-LAST].
func portRange(word string) (first, n uint16, ok bool) {
	low, high, isRange := strings.Cut(word, "-")
	if !isRange {
		high = low
	}
	lo, err1 := strconv.ParseUint(low, 10, 16)
	hi, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || lo == 0 || hi < lo {
		return 0, 0, false
	}
	return uint16(lo), uint16(hi - lo + 1), true
}

// ports settles which ports are published, and finds free ones of the host where none is named.
func (d *decider) ports() error {
	words := d.req.Net.Publish
	if len(words) == 0 && !d.req.Net.PublishAll {
		return nil
	}
	option := "--publish"
	if len(words) == 0 {
		option = "--publish-all"
	}
	switch net := &d.cfg.Net; {
	case net.Namespace.Mode == NSHost:
		d.warnf("with --network host every port is the host's: " + option + " has nothing to do")
		return nil
	case net.Namespace.Mode == NSContainer:
		return errdefs.Invalid("--network", "container:"+net.Namespace.Target, "ports belong to the container whose network it is").
			WithHint("give that container %s instead", option)
	case net.Driver == "":
		e := errdefs.Invalid("--network", net.ModeText(), "it does not reach the host, so that no port can be published by %s",
			strings.TrimSpace(option+" "+strings.Join(words, " ")))
		if d.host.Rootless {
			return e.WithHint("leave --network or %s out", option)
		}
		return e.WithHint("use --network slirp4netns, builtin or pasta; bridges for root arrive with a later version")
	}
	published := map[string]bool{}
	add := func(p Port) error {
		for _, q := range d.cfg.Net.Ports {
			if p == q {
				return nil
			}
			if p.HostPort != 0 && p.Meets(q) {
				return errdefs.Invalid("--publish", p.String()+":"+p.Inside(), "%s leads to %s already", q.String(), q.Inside()).
					WithHint("choose another port of the host")
			}
		}
		d.cfg.Net.Ports = append(d.cfg.Net.Ports, p)
		return nil
	}
	var open []Port
	for _, word := range words {
		p, err := ParsePort(word)
		if err != nil {
			return err
		}
		for _, q := range p.Each() {
			published[q.Inside()] = true
		}
		if p.HostPort == 0 {
			open = append(open, p.Each()...)
			continue
		}
		if err := add(p); err != nil {
			return err
		}
	}
	if d.req.Net.PublishAll {
		for _, inside := range d.cfg.Net.Expose {
			p, err := ParsePort(inside)
			if err != nil {
				d.warnf("--publish-all leaves out " + inside + ": only tcp and udp ports can be published")
			} else if !published[inside] {
				open = append(open, p)
			}
		}
	}
	// Last, so that a port that was found free is not one that is asked for by number.
	for _, p := range open {
		if d.host.FreePort == nil {
			return errdefs.Invalid("--publish", p.Inside(), "there is no port of the host").WithHint("name one")
		}
		taken := func(n uint16) bool {
			p.HostPort = n
			for _, q := range d.cfg.Net.Ports {
				if p.Meets(q) {
					return true
				}
			}
			return false
		}
		n, err := d.host.FreePort(p.HostIP, p.Protocol, taken)
		if err != nil {
			return err
		}
		p.HostPort = n
		if err := add(p); err != nil {
			return err
		}
	}
	return nil
}
