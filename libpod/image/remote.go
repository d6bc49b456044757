package image

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Platform names what an image runs on, in Go's words. Empty parts are the machine's own.
type Platform struct {
	OS      string
	Arch    string
	Variant string
}

// ParsePlatform reads "os/arch[/variant]". Errors: ErrInvalid.
func ParsePlatform(text string) (Platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return Platform{}, errdefs.Invalid("--platform", text, "it is not OS/ARCH[/VARIANT]")
	}
	p := Platform{OS: parts[0], Arch: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// String is "os/arch[/variant]" with the machine's own values for empty parts.
func (p Platform) String() string {
	s := orDefault(p.OS, runtime.GOOS) + "/" + orDefault(p.Arch, runtime.GOARCH)
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Credentials are a registry's user name and password. The zero value is anonymous.
type Credentials struct {
	Username string
	Password string
}

// ParseCredentials reads "user[:password]". Errors: ErrInvalid.
func ParseCredentials(text string) (Credentials, error) {
	user, password, _ := strings.Cut(text, ":")
	if user == "" {
		return Credentials{}, errdefs.Invalid("--creds", "", "there is no user name; write USER[:PASSWORD]")
	}
	return Credentials{Username: user, Password: password}, nil
}

// RemoteOptions say how registries are talked to. The zero value is what the
// configuration files say.
type RemoteOptions struct {
	// Credentials are used instead of the stored ones; nil means the stored ones.
	Credentials *Credentials
	// AuthFile holds the stored credentials; "" means the service's own.
	AuthFile string
	// CertDir holds *.crt, *.cert and *.key files; "" means certs.d.
	CertDir string
	// TLSVerify false allows plain HTTP and any certificate; nil means registries.conf's choice.
	TLSVerify *bool
	// Retries is how often a transient failure is tried again; nil means DefaultRetries.
	Retries *uint
	// RetryDelay is the first pause, doubled each time; 0 means DefaultRetryDelay.
	RetryDelay time.Duration
}

// DefaultRetries and DefaultRetryDelay are those of Podman's pull and push.
const (
	DefaultRetries    = 3
	DefaultRetryDelay = time.Second
)

// Policy says when an image is fetched although, or because, it is (not) in the store.
type Policy string

// The pull policies of containers.conf(5).
const (
	// PullAlways fetches in any case and fails when that fails.
	PullAlways Policy = "always"
	// PullMissing fetches when the store has no such image.
	PullMissing Policy = "missing"
	// PullNewer fetches when the registry's image differs, and makes do with the store's when it does not answer.
	PullNewer Policy = "newer"
	// PullNever never fetches.
	PullNever Policy = "never"
)

// ParsePolicy reads a policy; "" is PullMissing, and "ifnotpresent", "ifmissing" and "ifnewer" are
// accepted as Podman does. Errors: ErrInvalid.
func ParsePolicy(text string) (Policy, error) {
	switch p := Policy(strings.ToLower(text)); p {
	case PullAlways, PullMissing, PullNewer, PullNever:
		return p, nil
	case "", "ifmissing", "ifnotpresent":
		return PullMissing, nil
	case "ifnewer":
		return PullNewer, nil
	}
	return "", errdefs.Invalid("--pull", text, "it is not always, missing, newer or never")
}

// matches says whether an image's config is for the platform. Empty parts that the caller
// did not choose match anything when no part was chosen.
func (p Platform) matches(cfg Config) error {
	if p == (Platform{}) {
		return nil
	}
	if cfg.OS != orDefault(p.OS, runtime.GOOS) || cfg.Architecture != orDefault(p.Arch, runtime.GOARCH) ||
		p.Variant != "" && cfg.Variant != p.Variant {
		return fmt.Errorf("it is for %s, not %s", Platform{cfg.OS, cfg.Architecture, cfg.Variant}, p)
	}
	return nil
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
