//go:build !lean

package image

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/pkg/errdefs"
)

// errRequestRefused marks a request that the guard did not let out.
var errRequestRefused = errors.New("refused")

// guarded returns parameters whose requests, for the registry of that name, pass a guard.
//
// A registry's answers lead the client on: to the server that gives out tokens, to where a
// blob lies, to where a blob is uploaded. The image library follows them wherever they
// point. Two ways are closed here. Plain HTTP, unless the user allowed it for this registry:
// an answer could otherwise have the password sent in the clear. And link-local addresses,
// where clouds keep the machine's own credentials, unless the registry itself is there.
//
// The library offers no other hook on its requests than the choice of a proxy for each.
func guarded(sys *types.SystemContext, named reference.Named) *types.SystemContext {
	g := guard{insecure: insecure(sys, named), linkLocal: isLinkLocal(hostname(reference.Domain(named)))}
	q := *sys
	q.DockerProxy = g.proxy
	return &q
}

// guard says where the requests of one pull, push or login may go.
type guard struct {
	insecure  bool // plain HTTP is allowed
	linkLocal bool // so are link-local addresses
}

// proxy is the usual choice of a proxy, for requests that are allowed.
func (g guard) proxy(u *url.URL) (*url.URL, error) {
	refuse := func(why string) error {
		return &errdefs.Error{
			Op: "follow the registry to", Name: printable(u.Redacted()), Class: errdefs.ErrPermission,
			Cause: fmt.Errorf("%w: %s", errRequestRefused, why), Hint: "if the registry is trusted, use --tls-verify=false",
		}
	}
	switch {
	case u.Scheme != "https" && !g.insecure:
		return nil, refuse("it is not HTTPS")
	case !g.linkLocal && isLinkLocal(u.Hostname()):
		return nil, refuse("it is an address of this machine's own network")
	}
	return http.ProxyFromEnvironment(&http.Request{URL: u})
}

// insecure says that the options, or registries.conf for this registry or one of its
// mirrors, allow plain HTTP.
func insecure(sys *types.SystemContext, named reference.Named) bool {
	if sys.DockerInsecureSkipTLSVerify != types.OptionalBoolUndefined {
		return sys.DockerInsecureSkipTLSVerify == types.OptionalBoolTrue
	}
	reg, err := sysregistriesv2.FindRegistry(sys, named.Name())
	if err != nil || reg == nil {
		return false
	}
	if reg.Insecure {
		return true
	}
	for _, m := range reg.Mirrors {
		if m.Insecure {
			return true
		}
	}
	return false
}

// isLinkLocal recognizes 169.254.0.0/16 and fe80::/10. Source: RFC 3927, RFC 4291.
func isLinkLocal(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLinkLocalUnicast()
}

// hostname cuts the port off.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
