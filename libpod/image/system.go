//go:build !lean

package image

import (
	"os"

	"go.podman.io/image/v5/types"
)

// system returns a fresh set of parameters for the image library.
func (s *Service) system() *types.SystemContext {
	return &types.SystemContext{
		SignaturePolicyPath:         s.opts.SignaturePolicyPath,
		SystemRegistriesConfPath:    s.opts.RegistriesConf,
		SystemRegistriesConfDirPath: s.opts.RegistriesConfDir,
		AuthFilePath:                authFile(s.opts.AuthFile),
		BigFilesTemporaryDir:        s.opts.TempDir,
		DockerRegistryUserAgent:     userAgent,
	}
}

// userAgent is how registries see this program.
const userAgent = "manager"

// authFile is the credentials file to use: the caller's, else $REGISTRY_AUTH_FILE, else
// "" for the usual places.
func authFile(path string) string {
	if path != "" {
		return path
	}
	return os.Getenv("REGISTRY_AUTH_FILE")
}

// apply lays the options over the parameters of the image library.
func (o RemoteOptions) apply(sys *types.SystemContext) {
	if o.AuthFile != "" {
		sys.AuthFilePath = o.AuthFile
	}
	if o.Credentials != nil {
		sys.DockerAuthConfig = &types.DockerAuthConfig{Username: o.Credentials.Username, Password: o.Credentials.Password}
	}
	sys.DockerCertPath, sys.OCICertPath = o.CertDir, o.CertDir
	if o.TLSVerify != nil {
		sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(!*o.TLSVerify)
		sys.OCIInsecureSkipTLSVerify = !*o.TLSVerify
	}
}

// apply asks for an image of that platform.
func (p Platform) apply(sys *types.SystemContext) {
	sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = p.OS, p.Arch, p.Variant
}
