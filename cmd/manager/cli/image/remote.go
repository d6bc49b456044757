package image

import (
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// remoteOptions are the options of all commands that talk to registries.
type remoteOptions struct {
	authFile, certDir, creds string
	tlsVerify                *bool
	retry                    *uint
	retryDelay               string
}

func (o *remoteOptions) authFlags() []flags.Flag {
	return []flags.Flag{
		{Name: "authfile", To: &o.authFile, Complete: flags.CompleteFiles, Usage: "File of registry credentials"},
		{Name: "cert-dir", Value: "Pathname", To: &o.certDir, Complete: flags.CompleteDirs, Usage: "Directory of certificates and keys for the registry"},
		{Name: "tls-verify", To: &o.tlsVerify, Default: "true", Usage: "Require HTTPS and check certificates"},
	}
}

func (o *remoteOptions) flags() []flags.Flag {
	return append(o.authFlags(),
		flags.Flag{Name: "creds", Value: "Credentials", To: &o.creds, Usage: "User and password for the registry: USER[:PASSWORD]"},
		flags.Flag{Name: "retry", To: &o.retry, Default: "3", Usage: "How often a failed transfer is tried again"},
		flags.Flag{Name: "retry-delay", To: &o.retryDelay, Usage: "Pause between two tries: 2s"},
		flags.Flag{
			Name: "disable-content-trust", Type: "bool", Accept: []string{"true"},
			Unsupported: "there is no Docker content trust to turn on; signatures are checked as policy.json says",
		},
	)
}

func (o *remoteOptions) core() (image.RemoteOptions, error) {
	r := image.RemoteOptions{AuthFile: o.authFile, CertDir: o.certDir, TLSVerify: o.tlsVerify, Retries: o.retry}
	if o.creds != "" {
		c, err := image.ParseCredentials(o.creds)
		if err != nil {
			return r, err
		}
		r.Credentials = &c
	}
	if o.retryDelay != "" {
		d, err := time.ParseDuration(o.retryDelay)
		if err != nil || d < 0 {
			return r, errdefs.Invalid("--retry-delay", o.retryDelay, "must be a duration such as 2s")
		}
		r.RetryDelay = d
	}
	return r, nil
}

// platformOptions choose an image for another machine.
type platformOptions struct{ platform, os, arch, variant string }

func (o *platformOptions) partFlags(plain bool) []flags.Flag {
	value := func(s string) string {
		if plain {
			return ""
		}
		return s
	}
	return []flags.Flag{
		{Name: "arch", Value: value("ARCH"), To: &o.arch, Usage: "Architecture of the image"},
		{Name: "os", Value: value("OS"), To: &o.os, Usage: "Operating system of the image"},
		{Name: "variant", To: &o.variant, Usage: "Variant of the architecture"},
	}
}

func (o *platformOptions) core() (image.Platform, error) {
	if o.platform == "" {
		return image.Platform{OS: o.os, Arch: o.arch, Variant: o.variant}, nil
	}
	if o.os != "" || o.arch != "" || o.variant != "" {
		return image.Platform{}, errdefs.Invalid("--platform", o.platform, "cannot go with --os, --arch or --variant")
	}
	return image.ParsePlatform(o.platform)
}
