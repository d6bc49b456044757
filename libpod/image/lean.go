//go:build lean

package image

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
)

// HasTransfers says whether this program was built with transfers.
const HasTransfers = false

// Pull finds an image in the store when the policy is content with that. Everything else is
// ErrElsewhere, errors among it: the program with transfers looks again and tells.
func (s *Service) Pull(ctx context.Context, name string, opts PullOptions) ([]Image, error) {
	transport, _ := splitTransport(name)
	local := opts.Policy == "" || opts.Policy == PullMissing || opts.Policy == PullNever
	if transport == "" && local && !opts.AllTags {
		if img, err := s.resolvePlatform(ctx, name, opts.Platform); err == nil {
			return []Image{img}, nil
		}
	}
	return nil, ErrElsewhere
}

// Push is ErrElsewhere.
func (s *Service) Push(context.Context, string, string, PushOptions) (digest.Digest, error) {
	return "", ErrElsewhere
}

// Load is ErrElsewhere.
func (s *Service) Load(context.Context, LoadOptions) ([]Image, error) { return nil, ErrElsewhere }

// Import is ErrElsewhere.
func (s *Service) Import(context.Context, ImportOptions) (Image, error) {
	return Image{}, ErrElsewhere
}

// ApplyRootfs is ErrElsewhere.
func (s *Service) ApplyRootfs(context.Context, string, io.Reader, int64) error { return ErrElsewhere }

// UnpackDirectory is ErrElsewhere.
func UnpackDirectory(context.Context, string, io.Reader, int64) error { return ErrElsewhere }

// Save is ErrElsewhere.
func (s *Service) Save(context.Context, []string, SaveOptions) error { return ErrElsewhere }

// Login is ErrElsewhere.
func (s *Service) Login(context.Context, string, Credentials, LoginOptions) (string, error) {
	return "", ErrElsewhere
}

// LoggedIn is ErrElsewhere.
func (s *Service) LoggedIn(context.Context, string, LoginOptions) (string, error) {
	return "", ErrElsewhere
}

// Logout is ErrElsewhere.
func (s *Service) Logout(context.Context, string, LoginOptions) (string, error) {
	return "", ErrElsewhere
}

// LogoutAll is ErrElsewhere.
func (s *Service) LogoutAll(context.Context, LoginOptions) ([]string, error) {
	return nil, ErrElsewhere
}

// Registries is ErrElsewhere.
func Registries() (map[string]any, error) { return nil, ErrElsewhere }

// classify knows the store's errors only: no others come up here.
func classify(_ string, err error) (hint string, class error) { return classifyStore(err) }

// plainText has nothing of the image library to reword.
func plainText(text string) string { return text }
