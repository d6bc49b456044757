package hostfiles

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The names by which a container reaches its host.
const (
	HostManager = "host.containers.internal"
	HostDocker  = "host.docker.internal"
)

// hostGateway is the word of --add-host for the host's own address.
const hostGateway = "host-gateway"

// Hosts says what a container's /etc/hosts shall hold.
type Hosts struct {
	// Extra are "IP NAME…" lines of --add-host; IP may be host-gateway.
	Extra []string
	// Names are the container's own (hostname first), at IP; empty ones are left out.
	Names []string
	// IP is the container's address; "" puts Names on 127.0.1.1 when the network namespace is
	// its own.
	IP string
	// Gateway is the host's address as the container sees it; "" leaves host.containers.internal
	// and host.docker.internal out, and makes host-gateway an error.
	Gateway string
	// HostNet says that the host's network namespace is used: the container's names are the
	// host's business then.
	HostNet bool
}

// HostsFile is the container's /etc/hosts: what was asked for first (the C library takes
// the first match), then base (the host's file, another one, or nothing), then the
// standard and the container's own lines. Lines of base that redefine what was asked for
// lose those names. Errors are of class invalid.
func HostsFile(base []byte, h Hosts) ([]byte, error) {
	var out [][]string
	taken := map[string]bool{}
	add := func(addr string, names ...string) {
		out = append(out, append([]string{addr}, names...))
		for _, n := range names {
			taken[n] = true
		}
	}
	for _, line := range h.Extra {
		f := strings.Fields(line)
		if len(f) < 2 || strings.ContainsFunc(line, unicode.IsControl) || strings.Contains(line, "#") {
			return nil, errdefs.Invalid("--add-host", line, "not an address and names")
		}
		if f[0] == hostGateway {
			if h.Gateway == "" {
				return nil, errdefs.Invalid("--add-host", line, "the host has no address in this container's network").
					WithHint("write the address itself, or use --network host")
			}
			f[0] = h.Gateway
		}
		add(f[0], f[1:]...)
	}
	for line := range strings.Lines(string(base)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		names := slices.DeleteFunc(f[1:], func(n string) bool { return taken[n] })
		if len(names) > 0 {
			out = append(out, append([]string{f[0]}, names...))
		}
	}
	has := func(name string) bool {
		return slices.ContainsFunc(out, func(l []string) bool { return slices.Contains(l[1:], name) })
	}
	if !has("localhost") {
		add("127.0.0.1", "localhost", "localhost.localdomain")
		add("::1", "localhost", "localhost.localdomain")
	}
	if h.Gateway != "" {
		var names []string
		for _, n := range []string{HostManager, HostDocker} {
			if !has(n) {
				names = append(names, n)
			}
		}
		if len(names) > 0 {
			add(h.Gateway, names...)
		}
	}
	if err := ownNames(h, has, add); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, l := range out {
		b.WriteString(l[0] + "\t" + strings.Join(l[1:], " ") + "\n")
	}
	return b.Bytes(), nil
}

func ownNames(h Hosts, has func(string) bool, add func(string, ...string)) error {
	if h.HostNet {
		return nil
	}
	var names []string
	for _, n := range h.Names {
		if n == "" {
			continue
		}
		if strings.ContainsFunc(n, unicode.IsSpace) || strings.ContainsFunc(n, unicode.IsControl) || strings.Contains(n, "#") {
			return errdefs.Invalid("--hostname", n, "not a host name")
		}
		if !slices.Contains(names, n) && !has(n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return nil
	}
	ip := h.IP
	if ip == "" {
		ip = "127.0.1.1"
	}
	add(ip, names...)
	return nil
}

// Hostname is the container's /etc/hostname.
func Hostname(name string) []byte { return []byte(name + "\n") }
