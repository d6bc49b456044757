package network

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/spec"
)

// planPasta looks for addresses among the user's options, which are pasta's own words.
func planPasta(options []string) (*Addresses, error) {
	a := addresses(subnet)
	if given, ok := pastaValue(options, "-a", "--address", netip.Addr.Is4); ok {
		a.Container = netip.PrefixFrom(given, subnet.Bits())
	}
	if given, ok := pastaValue(options, "-g", "--gateway", netip.Addr.Is4); ok {
		a.Gateway = given
	}
	if given, ok := pastaValue(options, "", "--dns-forward", netip.Addr.Is4); ok {
		a.DNS = given
	}
	a.HostLoopback = slices.Contains(options, "--map-gw")
	return &a, nil
}

// pastaValue is the first address of that kind among an option's values.
func pastaValue(options []string, short, long string, fits func(netip.Addr) bool) (netip.Addr, bool) {
	for _, text := range pastaValues(options, short, long) {
		if addr, err := netip.ParseAddr(text); err == nil && fits(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// pastaValues are an option's values: "-a X", "-aX", "--address X" or "--address=X".
func pastaValues(options []string, short, long string) (values []string) {
	for i, o := range options {
		switch {
		case o == short && short != "" || o == long:
			if i+1 < len(options) {
				values = append(values, options[i+1])
			}
		case strings.HasPrefix(o, long+"="):
			values = append(values, strings.TrimPrefix(o, long+"="))
		case short != "" && strings.HasPrefix(o, short) && !strings.HasPrefix(o, "--"):
			values = append(values, strings.TrimPrefix(o, short))
		}
	}
	return values
}

// pastaGiven says that one of the options is among the user's.
func pastaGiven(options []string, names ...string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			return o == n || strings.HasPrefix(o, n+"=") || !strings.HasPrefix(n, "--") && !strings.HasPrefix(o, "--") && strings.HasPrefix(o, n)
		})
	})
}

// pastaArgs are pasta's words. It goes into the background by itself when all is set up, and says what is wrong before. The
// user's options win. The container's addresses are not the host's, as pasta would have it: so the container reaches
// the host, and through it the ports that it has published, at the host's address.
// Source: pasta(1).
func pastaArgs(q *Request, a *Addresses) []string {
	o := pastaWords(q.Net.DriverOptions)
	args := []string{"--config-net", "--pid", q.path(pastaPID)}
	if !pastaGiven(o, "-a", "--address", "-i", "--interface", "-n", "--netmask", "-g", "--gateway") {
		args = append(args, "-a", a.Container.Addr().String(), "-n", "24", "-g", a.Gateway.String())
	}
	if q.Root && !pastaGiven(o, "--runas") {
		// It would become nobody, who cannot enter the run directory; it gives its rights up all the same.
		args = append(args, "--runas", "0")
	}
	if !a.HostLoopback {
		args = append(args, "--no-map-gw")
	}
	for _, d := range [][]string{
		{"--dns-forward", "", a.DNS.String()},
		{"-t", "--tcp-ports", "none"},
		{"-u", "--udp-ports", "none"},
		{"-T", "--tcp-ns", "none"},
		{"-U", "--udp-ns", "none"},
	} {
		if !pastaGiven(o, d[0]) && (d[1] == "" || !pastaGiven(o, d[1])) {
			args = append(args, d[0], d[2])
		}
	}
	args = append(args, o...)
	return append(args, "--netns", q.path(netnsFile))
}

// pastaPID is the file in which pasta writes its process id.
const pastaPID = "pasta.pid"

// runPasta starts it and waits until it is ready, or ended with ctx; dropped is called in that case once neither it nor a child
// of it is left to come.
func runPasta(ctx context.Context, q *Request, a *Addresses, dropped func()) error {
	if err := q.command(ctx, spec.NetPasta, pastaArgs(q, a), dropped); err != nil {
		return err
	}
	p, err := readPIDFile(q.path(pastaPID))
	if err != nil {
		return err
	}
	p.Carries = !pastaListens(q.Net.DriverOptions)
	return q.note(p)
}

// pastaListens says that the user's options let it have ports of the host.
func pastaListens(options []string) bool {
	return pastaGiven(options, "-t", "--tcp-ports", "-u", "--udp-ports")
}
