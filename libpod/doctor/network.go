package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// proxied says that registries are asked through a proxy, which also resolves their names.
func (e *Env) proxied() bool {
	for _, v := range []string{"HTTPS_PROXY", "https_proxy"} {
		if e.Getenv(v) != "" {
			return true
		}
	}
	return false
}

// usualRegistry is where names without a registry lead when none is configured.
const usualRegistry = "docker.io"

// host is a registry's without the port; docker.io is another's name.
func host(registry string) string {
	registry, _, _ = strings.Cut(registry, "/")
	if registry == usualRegistry {
		return "registry-1.docker.io"
	}
	if h, _, err := net.SplitHostPort(registry); err == nil {
		return h
	}
	return registry
}

// probeDNS asks each server of resolv.conf for a registry.
func probeDNS(ctx context.Context, e *Env) []Finding {
	if e.proxied() {
		return []Finding{skipped("the proxy resolves names")}
	}
	var servers []string
	for _, line := range e.lines("/etc/resolv.conf") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			servers = append(servers, f[1])
		}
	}
	const why = "no registry is found, and containers find no host"
	if len(servers) == 0 {
		return []Finding{broken("/etc/resolv.conf names no server", why, e.resolver())}
	}
	name := ""
	if all, err := e.Registries(); err == nil {
		for _, r := range all {
			if h := host(r); name == "" && net.ParseIP(h) == nil && h != "localhost" {
				name = h
			}
		}
	}
	if name == "" {
		name = host(usualRegistry)
	}
	errs := make([]error, len(servers))
	var wait sync.WaitGroup
	for i, s := range servers {
		wait.Go(func() { errs[i] = e.Resolve(ctx, s, name) })
	}
	wait.Wait()
	var found []Finding
	for i, err := range errs {
		if err != nil {
			found = append(found, poor(fmt.Sprintf("the server %s of /etc/resolv.conf does not resolve %s: %v", servers[i], name, err), "every look-up waits for it first", "remove the line from /etc/resolv.conf, or start the server"))
		}
	}
	if len(found) == len(servers) {
		what := fmt.Sprintf("no server of /etc/resolv.conf (%s) resolves %s: %v", strings.Join(servers, ", "), name, errs[0])
		return []Finding{broken(what, why, e.resolver())}
	}
	return orWell(found, "%s answered when asked for %s", strings.Join(servers, ", "), name)
}

// resolver is how the machine gets a working list of servers.
func (e *Env) resolver() string {
	if e.systemd() && e.exists("/run/systemd/resolve") {
		return "sudo systemctl restart systemd-resolved && resolvectl status"
	}
	return "echo 'nameserver ADDRESS' | sudo tee /etc/resolv.conf, with the address of a server that answers here"
}

// probeRegistry asks each registry whether it is one.
func probeRegistry(ctx context.Context, e *Env) []Finding {
	var found []Finding
	var names []string
	for _, p := range e.answers(ctx) {
		names = append(names, p.Registry)
		switch {
		case p.Refused:
			found = append(found, broken(fmt.Sprintf("%s refuses the credentials that are kept for it", p.Registry), "nothing can be pulled from it", "manager login "+p.Registry))
		case p.Err != nil:
			f := e.unreachable(p)
			if p.usual {
				f.Status = Warn // whoever only loads images never asks it
			}
			found = append(found, f)
		}
	}
	if len(names) == 0 {
		return []Finding{skipped("which there are is not known")}
	}
	return orWell(found, "%s", strings.Join(names, ", "))
}

// plainHTTP is what package net/http says of a server without TLS.
const plainHTTP = "server gave HTTP response to HTTPS client"

func (e *Env) unreachable(p Ping) Finding {
	var (
		dns     *net.DNSError
		timeout net.Error
	)
	what := fmt.Sprintf("%s: %v", p.Registry, p.Err)
	const why = "nothing can be pulled from it"
	switch {
	case p.Certificate == UnknownAuthority:
		return broken(p.Registry+": its certificate is signed by an authority that this machine does not know", why,
			"sudo install -D -m 0644 CA.crt /etc/containers/certs.d/"+p.Registry+"/ca.crt")
	case p.Certificate == NotValidNow:
		return broken(p.Registry+": its certificate is not valid at this time", why, "compare the time: date", "have the registry's certificate renewed")
	case p.Certificate == OtherHost:
		return broken(p.Registry+": its certificate is another host's", why, "use the name that the certificate has, or correct /etc/hosts")
	case errors.As(p.Err, &dns):
		return broken(p.Registry+": its name is not resolved", why, "correct the name in registries.conf, or see that the servers of /etc/resolv.conf know it")
	case errors.Is(p.Err, syscall.ECONNREFUSED):
		return broken(p.Registry+": nobody listens there", why, "start the registry, or remove it from registries.conf")
	case errors.Is(p.Err, syscall.ENETUNREACH), errors.Is(p.Err, syscall.EHOSTUNREACH):
		return broken(p.Registry+": there is no way to it", why, "connect this machine: ip route", "or set HTTPS_PROXY")
	case errors.As(p.Err, &timeout) && timeout.Timeout(), errors.Is(p.Err, context.DeadlineExceeded):
		return broken(p.Registry+" does not answer within a second", why, "set HTTPS_PROXY if there is a proxy, or let the firewall pass port 443")
	case strings.Contains(p.Err.Error(), plainHTTP):
		return broken(p.Registry+" speaks HTTP, not HTTPS", why, fmt.Sprintf("printf '[[registry]]\\nlocation = \"%s\"\\ninsecure = true\\n' | sudo tee /etc/containers/registries.conf.d/%s.conf", p.Registry, strings.ReplaceAll(p.Registry, ":", "-")))
	}
	return broken(what, why, "correct it in registries.conf, or remove it there")
}

// skew is how much clocks may differ: certificates and tokens are valid for minutes.
const skew = 5 * time.Minute

// probeClock compares the clock with the boot, this program and the registries.
func probeClock(ctx context.Context, e *Env) []Finding {
	now := e.Now()
	const why = "certificates and tokens look as if they were not valid"
	if now.Before(e.Built.Add(-24 * time.Hour)) {
		return []Finding{broken(fmt.Sprintf("it is set to %s, before this program was made", now.UTC().Format(time.DateTime)), why, e.setClock(time.Time{})...)}
	}
	for _, line := range e.lines("/proc/stat") {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			if boot, err := strconv.ParseInt(v, 10, 64); err == nil && time.Unix(boot, 0).After(now.Add(skew)) {
				return []Finding{broken(fmt.Sprintf("it is set to %s, before the boot", now.UTC().Format(time.DateTime)), why, e.setClock(time.Time{})...)}
			}
		}
	}
	for _, p := range e.answers(ctx) {
		if p.Date.IsZero() {
			continue
		}
		if d := now.Sub(p.Date); d > skew || d < -skew {
			word := "ahead of"
			if d < 0 {
				word = "behind"
			}
			return []Finding{broken(fmt.Sprintf("it is %s %s %s", d.Abs().Round(time.Minute), word, p.Registry), why, e.setClock(p.Date)...)}
		}
	}
	return []Finding{well("%s", now.UTC().Format(time.DateTime))}
}

// setClock sets it, to a time if that is known.
func (e *Env) setClock(to time.Time) []string {
	if e.systemd() {
		return []string{"sudo timedatectl set-ntp true"}
	}
	if to.IsZero() {
		return []string{"sudo date -u -s 'YYYY-MM-DD hh:mm:ss'"}
	}
	return []string{"sudo date -u -s '" + to.UTC().Format(time.DateTime) + "'"}
}
