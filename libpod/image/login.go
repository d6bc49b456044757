//go:build !lean

package image

import (
	"context"
	"errors"
	"os"
	"sort"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/pkg/errdefs"
)

// loginSystem lays the options over the library's parameters.
func (s *Service) loginSystem(opts LoginOptions) (*types.SystemContext, error) {
	sys := s.system()
	opts.apply(sys)
	compat := opts.CompatAuthFile
	if compat == "" && opts.AuthFile == "" && sys.AuthFilePath == "" {
		if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
			compat = dir + "/config.json"
		}
	}
	if compat == "" {
		return sys, nil
	}
	if opts.AuthFile != "" {
		return nil, errdefs.Invalid("--compat-auth-file", compat, "it cannot be used with --authfile")
	}
	sys.AuthFilePath, sys.DockerCompatAuthFilePath = "", compat
	return sys, nil
}

// Login checks the credentials with the registry and keeps them. registry is a host with an
// optional port, and for separate credentials a path ("quay.io/team"); "" is the first of
// the unqualified-search registries. It returns the registry's name.
// Errors: ErrPermission for wrong credentials, ErrInvalid for the name, ErrUnavailable for the network.
func (s *Service) Login(ctx context.Context, registry string, cred Credentials, opts LoginOptions) (string, error) {
	sys, err := s.loginSystem(opts)
	if err != nil {
		return "", err
	}
	key, host, err := registryKey(sys, registry)
	if err != nil {
		return "", err
	}
	if cred.Username == "" {
		return "", errdefs.New(errdefs.ErrInvalid, "registry", key, "a user name is wanted").WithHint("use --username and --password-stdin")
	}
	named, err := reference.ParseNormalizedNamed(key + "/x")
	if err != nil {
		return "", invalidName(key, err)
	}
	check := *guarded(sys, named)
	check.DockerAuthConfig = &types.DockerAuthConfig{Username: cred.Username, Password: cred.Password}
	err = withHeapBound(ctx, maxTagsGrowth, func(ctx context.Context) error {
		return docker.CheckAuth(ctx, &check, cred.Username, cred.Password, host)
	})
	if err != nil {
		var wrong docker.ErrUnauthorizedForCredentials
		if errors.As(err, &wrong) {
			return "", &errdefs.Error{
				Op: "login", Kind: "registry", Name: key, Class: errdefs.ErrPermission,
				Cause: errors.New("the registry refused the user name or the password"),
			}
		}
		return "", failure("login", key, host, err)
	}
	if _, err := config.SetCredentials(sys, key, cred.Username, cred.Password); err != nil {
		return "", failure("login", key, "", err)
	}
	return key, nil
}

// LoggedIn returns the stored user name for a registry. Errors: ErrNotFound when there is none.
func (s *Service) LoggedIn(_ context.Context, registry string, opts LoginOptions) (string, error) {
	sys, err := s.loginSystem(opts)
	if err != nil {
		return "", err
	}
	key, _, err := registryKey(sys, registry)
	if err != nil {
		return "", err
	}
	cred, err := config.GetCredentials(sys, key)
	if err != nil {
		return "", failure("read credentials of", key, "", err)
	}
	if cred.Username == "" {
		return "", errdefs.New(errdefs.ErrNotFound, "registry", key, "not logged in")
	}
	return cred.Username, nil
}

// Logout forgets the credentials of a registry. Errors: ErrNotFound when there are none.
func (s *Service) Logout(_ context.Context, registry string, opts LoginOptions) (string, error) {
	sys, err := s.loginSystem(opts)
	if err != nil {
		return "", err
	}
	key, _, err := registryKey(sys, registry)
	if err != nil {
		return "", err
	}
	err = config.RemoveAuthentication(sys, key)
	if errors.Is(err, config.ErrNotLoggedIn) {
		return "", errdefs.New(errdefs.ErrNotFound, "registry", key, "not logged in")
	}
	return key, failure("logout", key, "", err)
}

// LogoutAll forgets all credentials and returns the registries that had some.
func (s *Service) LogoutAll(_ context.Context, opts LoginOptions) ([]string, error) {
	sys, err := s.loginSystem(opts)
	if err != nil {
		return nil, err
	}
	all, err := config.GetAllCredentials(sys)
	if err != nil {
		return nil, failure("logout", "", "", err)
	}
	var keys []string
	for k := range all {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys, failure("logout", "", "", config.RemoveAllAuthentication(sys))
}

// registryKey checks a registry's name: key is what credentials are kept under, host is
// whom they are checked with.
func registryKey(sys *types.SystemContext, registry string) (key, host string, err error) {
	if registry == "" {
		list, err := sysregistriesv2.UnqualifiedSearchRegistries(sys)
		if err != nil {
			return "", "", &errdefs.Error{Op: "read registries.conf", Class: errdefs.ErrInvalid, Cause: err}
		}
		if len(list) == 0 {
			return "", "", errdefs.New(errdefs.ErrInvalid, "registry", "", "none was named and registries.conf has no default")
		}
		registry = list[0]
	}
	if rest, ok := strings.CutPrefix(registry, "https://"); ok {
		registry = rest
	} else if rest, ok := strings.CutPrefix(registry, "http://"); ok {
		registry = rest
	}
	registry = strings.TrimSuffix(registry, "/")
	// A name that parses behind the registry shows that the registry itself is one.
	named, err := reference.ParseNormalizedNamed(registry + "/x")
	if err != nil || !reference.IsNameOnly(named) || !hasRegistry(registry+"/x") {
		return "", "", errdefs.New(errdefs.ErrInvalid, "registry", printable(registry), "it is not HOST[:PORT][/PATH]")
	}
	host, _, _ = strings.Cut(registry, "/")
	return registry, host, nil
}
