package spec

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// net settles the network namespace, host names and name resolution.
func (d *decider) net() error {
	for _, step := range []func() error{d.network, d.hostname, d.resolver, d.hostsEntries, d.expose, d.ports} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (d *decider) network() error {
	words := d.req.Net.Network
	if len(words) > 1 {
		return errdefs.Unsupported("--network", "networks arrive with a later version, so there can be only one mode").
			WithHint("use --network host|none|container:NAME")
	}
	word := ""
	if len(words) == 1 {
		word = words[0]
	}
	if word == "" {
		switch mode, _, _ := strings.Cut(d.def.NetNS, ":"); mode {
		case "host", "none", NetPasta, NetSlirp4netns:
			word = d.def.NetNS
		default:
			word = "private"
		}
	}
	switch mode, options, _ := strings.Cut(word, ":"); mode {
	case "none", "host", "container", "ns":
	case "private", "":
		return d.privateNetwork(word)
	case NetPasta, NetSlirp4netns, NetBuiltin:
		return d.userNetwork(mode, options)
	default:
		return errdefs.Unsupported("--network", "networks arrive with a later version, so %q cannot be honoured", word).
			WithHint("use --network pasta|slirp4netns|host|none|container:NAME")
	}
	ns, err := d.namespace("--network", word, "none host private container ns")
	d.cfg.Net.Namespace = ns
	return err
}

func (d *decider) hostname() error {
	net, given := &d.cfg.Net, d.req.Process.Hostname
	net.NoHostname = d.req.Net.NoHostname
	uts := d.cfg.Namespaces.UTS
	switch {
	case given != "" && !uts.private():
		return errdefs.Invalid("--hostname", given, "the uts namespace is not the container's own (--uts=%s)", uts.Mode).
			WithHint("leave --hostname or --uts out")
	case given != "":
		if !validHostname(given) {
			return errdefs.Invalid("--hostname", given, "not a host name").
				WithHint("use at most 64 letters, digits, '-', '_' and '.'")
		}
		net.Hostname = given
	case uts.Mode == NSHost:
		net.Hostname = d.host.Hostname
	case uts.Mode == NSContainer:
		p, err := d.peer("--uts", uts.Target)
		if err != nil {
			return err
		}
		net.Hostname = p.Config.Net.Hostname
	case uts.Mode == NSPath: // nobody knows the name in there
	case net.Namespace.Mode == NSHost && d.host.Hostname != "":
		net.Hostname = d.host.Hostname
	default:
		net.Hostname = d.cfg.ID[:min(len(d.cfg.ID), 12)]
	}
	return nil
}

// validHostname follows the kernel's limit (64 bytes, __NEW_UTS_LEN) and keeps out
// everything that could be taken for more than a name in /etc/hosts.
func validHostname(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' || s[0] == '.' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
}

func (d *decider) resolver() error {
	req, net := &d.req.Net, &d.cfg.Net
	if net.Namespace.Mode == NSContainer && len(req.DNS)+len(req.DNSOption)+len(req.DNSSearch) > 0 {
		return errdefs.Invalid("--dns", strings.Join(append(append(append([]string{}, req.DNS...), req.DNSOption...), req.DNSSearch...), ","), "with --network container: the other container's resolver is used").
			WithHint("leave the --dns options out")
	}
	servers := orDefault(req.DNS, d.def.DNS)
	for _, s := range servers {
		if s == "none" {
			if len(servers) > 1 || len(req.DNSOption)+len(req.DNSSearch) > 0 {
				return errdefs.Invalid("--dns", s, "none stands alone").WithHint("leave the other --dns options out")
			}
			net.NoResolvConf = true
			return nil
		}
		if _, err := netip.ParseAddr(s); err != nil {
			return errdefs.Invalid("--dns", s, "not an IP address").WithHint("write an IPv4 or IPv6 address, or none")
		}
	}
	net.DNS = servers
	net.DNSOptions = orDefault(req.DNSOption, d.def.DNSOptions)
	net.DNSSearch = orDefault(req.DNSSearch, d.def.DNSSearch)
	for option, list := range map[string][]string{"--dns-option": net.DNSOptions, "--dns-search": net.DNSSearch} {
		for _, word := range list {
			if word == "" || hasControl(word) || strings.ContainsAny(word, " \t") {
				return errdefs.Invalid(option, word, "white space or nothing").WithHint("give one word, and the option once for each")
			}
		}
	}
	return nil
}

func (d *decider) hostsEntries() error {
	req, net := &d.req.Net, &d.cfg.Net
	net.NoHosts = req.NoHosts || (d.def.NoHosts && !d.req.Given("no-hosts"))
	if req.NoHosts && len(req.AddHost) > 0 {
		return errdefs.Invalid("--add-host", req.AddHost[0], "--no-hosts leaves /etc/hosts alone").WithHint("leave one of the two out")
	}
	if req.NoHosts && req.HostsFile != "" {
		return errdefs.Invalid("--hosts-file", req.HostsFile, "--no-hosts leaves /etc/hosts alone").WithHint("leave one of the two out")
	}
	if net.Namespace.Mode == NSContainer && len(req.AddHost) > 0 {
		return errdefs.Invalid("--add-host", req.AddHost[0], "with --network container: the other container's /etc/hosts is used").
			WithHint("add it to that container")
	}
	net.HostsFile = req.HostsFile
	if net.HostsFile == "" {
		net.HostsFile = d.def.BaseHostsFile
	}
	switch net.HostsFile {
	case "", "none", "image":
	default:
		net.HostsFile = d.abs(net.HostsFile)
		if d.host.PathExists != nil && !d.host.PathExists(net.HostsFile) {
			return errdefs.New(errdefs.ErrNotFound, "", net.HostsFile, "no such file or directory").WithOp("--hosts-file").
				WithHint("name a file, none or image")
		}
	}
	for _, word := range req.AddHost {
		line, err := ParseAddHost(word)
		if err != nil {
			return err
		}
		net.Hosts = append(net.Hosts, line)
	}
	return nil
}

// ParseAddHost turns NAME[;NAME…]:IP into "IP NAME…". IP may be host-gateway, and an
// IPv6 address may stand in brackets. Errors are of class invalid.
func ParseAddHost(word string) (string, error) {
	names, addr, ok := strings.Cut(word, ":")
	hint := "write NAME:IP or NAME:host-gateway"
	if !ok || names == "" || addr == "" {
		return "", errdefs.Invalid("--add-host", word, "not NAME:IP").WithHint("%s", hint)
	}
	addr = strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
	if addr != "host-gateway" {
		if _, err := netip.ParseAddr(addr); err != nil {
			return "", errdefs.Invalid("--add-host", word, "%q is not an IP address", addr).WithHint("%s", hint)
		}
	}
	list := strings.Split(names, ";")
	for _, name := range list {
		if !validHostname(name) {
			return "", errdefs.Invalid("--add-host", word, "%q is not a host name", name).WithHint("%s", hint)
		}
	}
	return addr + " " + strings.Join(list, " "), nil
}

// expose gathers ports of the image and of --expose as "PORT/PROTOCOL". Those of the
// image that are not ports are left out with a warning.
func (d *decider) expose() error {
	seen := map[string]bool{}
	add := func(ports []string) {
		for _, p := range ports {
			if !seen[p] {
				seen[p] = true
				d.cfg.Net.Expose = append(d.cfg.Net.Expose, p)
			}
		}
	}
	for _, word := range d.img.ExposedPorts {
		ports, err := ParseExpose(word)
		if err != nil {
			d.warnf("the image exposes " + strconv.Quote(word) + ", which is not a port, and it was left out")
			continue
		}
		add(ports)
	}
	for _, word := range d.req.Net.Expose {
		ports, err := ParseExpose(word)
		if err != nil {
			return err
		}
		add(ports)
	}
	return nil
}

// ParseExpose reads PORT[-PORT][/PROTOCOL] and lists every port as "PORT/PROTOCOL".
// The protocol is tcp (the default), udp or sctp. Errors are of class invalid.
func ParseExpose(word string) ([]string, error) {
	bad := func() ([]string, error) {
		return nil, errdefs.Invalid("--expose", word, "not a port").WithHint("write PORT[-PORT][/tcp|udp|sctp]")
	}
	ports, proto, ok := strings.Cut(word, "/")
	if !ok {
		proto = "tcp"
	}
	if proto = strings.ToLower(proto); proto != "tcp" && proto != "udp" && proto != "sctp" {
		return bad()
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || lo == 0 || hi < lo {
		return bad()
	}
	var out []string
	for p := lo; p <= hi; p++ {
		out = append(out, strconv.FormatUint(p, 10)+"/"+proto)
	}
	return out, nil
}

func orDefault(given, fallback []string) []string {
	if len(given) > 0 {
		return given
	}
	return fallback
}
