package hostfiles

import (
	"bytes"
	"net/netip"
	"strings"
)

// Resolv says what a container's resolv.conf shall hold. Empty lists take the host's.
type Resolv struct {
	Servers []string
	Search  []string
	Options []string
	// OwnLoopback says that the container has a network namespace of its own, in which the
	// host's resolvers on loopback addresses cannot be reached.
	OwnLoopback bool
	// Forwarder is a server in the container's network that asks the host's resolver, or ""; it comes before the
	// host's servers.
	Forwarder string
}

// maxServers is what the C library reads. Source: resolv.conf(5), MAXNS.
const maxServers = 3

// ResolvConf is the container's resolv.conf. host is the host's, or when that names only
// a resolver on loopback, the file that resolver keeps of its own servers
// (/run/systemd/resolve/resolv.conf).
//
// With a network namespace of its own the host's loopback servers are left out; if none
// is left there is no nameserver line, rather than one that nobody gave. A search of "."
// means none.
func ResolvConf(host []byte, r Resolv) []byte {
	var servers, search, options []string
	for line := range strings.Lines(string(host)) {
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(f[1]); err == nil && !(r.OwnLoopback && addr.IsLoopback()) {
				servers = append(servers, f[1])
			}
		case "search", "domain":
			search = f[1:]
		case "options":
			options = append(options, f[1:]...)
		}
	}
	if r.Forwarder != "" {
		servers = append([]string{r.Forwarder}, servers...)
	}
	if len(r.Servers) > 0 {
		servers = r.Servers
	} else if len(servers) > maxServers {
		servers = servers[:maxServers]
	}
	if len(r.Search) > 0 {
		search = r.Search
	}
	if len(r.Options) > 0 {
		options = r.Options
	}
	var b bytes.Buffer
	if len(search) > 0 && !(len(search) == 1 && search[0] == ".") {
		b.WriteString("search " + strings.Join(search, " ") + "\n")
	}
	for _, s := range servers {
		b.WriteString("nameserver " + s + "\n")
	}
	if len(options) > 0 {
		b.WriteString("options " + strings.Join(options, " ") + "\n")
	}
	return b.Bytes()
}

// OnlyLoopback reports whether every server of a resolv.conf is on a loopback address,
// so that another file should be asked.
func OnlyLoopback(resolv []byte) bool {
	found := false
	for line := range strings.Lines(string(resolv)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(f[1])
		if err == nil && !addr.IsLoopback() {
			return false
		}
		found = true
	}
	return found
}
