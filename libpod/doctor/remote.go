//go:build !lean

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// transferSettings are the files that only the transfer of images reads.
func transferSettings() []Setting {
	return []Setting{
		{Name: "registries.conf", Check: func() error {
			_, err := sysregistriesv2.GetRegistries(&types.SystemContext{})
			return unlessMissing(err)
		}},
		{Name: "policy.json", Check: func() error {
			_, err := signature.DefaultPolicy(nil)
			return unlessMissing(err)
		}},
		{Name: "credentials", Check: func() error {
			_, err := config.GetAllCredentials(system())
			return unlessMissing(err)
		}},
	}
}

// system is where the library looks for credentials: the same places as for a pull.
func system() *types.SystemContext {
	return &types.SystemContext{AuthFilePath: os.Getenv("REGISTRY_AUTH_FILE")}
}

func unlessMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// registries are those that short names are looked for in, and those with credentials.
func registries() ([]string, error) {
	search, err := sysregistriesv2.UnqualifiedSearchRegistries(nil)
	if unlessMissing(err) != nil {
		return nil, err
	}
	all := slices.Clone(search)
	kept, err := config.GetAllCredentials(system())
	if unlessMissing(err) != nil {
		return nil, err
	}
	for name := range kept {
		name, _, _ = strings.Cut(name, "/")
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all[len(search):])
	return all, nil
}

// ping asks a registry for its version, as a pull does first, and whether it takes the credentials.
// Source: OCI distribution-spec, "Determining Support".
func ping(ctx context.Context, registry string) Ping {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	p := Ping{Registry: registry}
	location, insecure := registry, false
	if r, err := sysregistriesv2.FindRegistry(nil, registry); err == nil && r != nil {
		insecure = r.Insecure
		if r.Location != "" {
			location, _, _ = strings.Cut(r.Location, "/")
		}
	}
	address := location
	if location == usualRegistry {
		address = host(location)
	}
	settings := &tls.Config{InsecureSkipVerify: insecure} //nolint:gosec // registries.conf says so
	for _, dir := range []string{"/etc/containers/certs.d/", "/etc/docker/certs.d/"} {
		if err := tlsclientconfig.SetupCertificates(dir+location, settings); err != nil {
			p.Err = err
			return p
		}
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, DisableKeepAlives: true}}
	p.Date, p.Err = version(ctx, client, "https://"+address+"/v2/")
	if insecure && p.Err != nil && strings.Contains(p.Err.Error(), plainHTTP) {
		p.Date, p.Err = version(ctx, client, "http://"+address+"/v2/")
	}
	if p.Err != nil {
		p.Certificate = distrust(p.Err)
		return p
	}
	c, err := config.GetCredentials(system(), registry)
	if err != nil || c == (types.DockerAuthConfig{}) {
		return p
	}
	sys := system()
	sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(insecure)
	err = docker.CheckAuth(ctx, sys, c.Username, c.Password, location)
	var refused docker.ErrUnauthorizedForCredentials
	p.Refused = errors.As(err, &refused)
	if !p.Refused {
		p.Err = err
	}
	return p
}

// distrust is what an error says of a certificate.
func distrust(err error) Distrust {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
	)
	switch {
	case errors.As(err, &unknown):
		return UnknownAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return NotValidNow
	case errors.As(err, &name):
		return OtherHost
	}
	return NoDistrust
}

// version asks for the version and returns the registry's clock.
func version(ctx context.Context, client *http.Client, url string) (date time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return date, err
	}
	res, err := client.Do(req)
	if err != nil {
		return date, err
	}
	defer func() { _ = res.Body.Close() }()
	if t, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		date = t
	}
	// 401 asks for a token, and 429 is what a registry says that one has asked too often.
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusTooManyRequests {
		return date, fmt.Errorf("it answers %s, as no registry does", res.Status)
	}
	return date, nil
}
