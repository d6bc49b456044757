package libpod

import (
	"context"
	"errors"
	"time"

	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// findImage resolves the request's image by its pull policy.
func (r *Runtime) findImage(ctx context.Context, images *image.Service, req *spec.Request, progress image.ProgressFunc) (image.Image, error) {
	o, err := pullOptions(req)
	if err != nil {
		return image.Image{}, err
	}
	o.Progress = progress
	found, err := images.Pull(ctx, req.Image, o)
	if err != nil {
		return image.Image{}, err
	}
	if len(found) == 0 {
		return image.Image{}, errdefs.NotFound("image", req.Image)
	}
	return found[0], nil
}

// pullOptions are the request's words about pulling.
func pullOptions(req *spec.Request) (o image.PullOptions, err error) {
	l := &req.Life
	if o.Policy, err = image.ParsePolicy(l.Pull); err != nil {
		return o, err
	}
	if l.Platform != "" {
		if l.Arch != "" || l.OS != "" {
			return o, errdefs.Invalid("--platform", l.Platform, "it cannot go with --os and --arch").WithHint("use one or the other")
		}
		if o.Platform, err = image.ParsePlatform(l.Platform); err != nil {
			return o, err
		}
	} else {
		o.Platform = image.Platform{OS: l.OS, Arch: l.Arch, Variant: l.Variant}
	}
	if l.Creds != "" {
		c, err := image.ParseCredentials(l.Creds)
		if err != nil {
			return o, err
		}
		o.Credentials = &c
	}
	o.AuthFile, o.CertDir, o.TLSVerify = l.AuthFile, l.CertDir, l.TLSVerify
	if req.Given("retry") {
		o.Retries = &l.Retry
	}
	if l.RetryDelay != "" {
		if o.RetryDelay, err = time.ParseDuration(l.RetryDelay); err != nil {
			return o, errdefs.Invalid("--retry-delay", l.RetryDelay, "not a duration").WithHint("for example 2s")
		}
	}
	return o, nil
}

// RemoveImages removes images. Those that containers use are ErrInUse; with Force their
// containers go first.
func (r *Runtime) RemoveImages(ctx context.Context, names []string, o image.RemoveOptions) ([]image.Removed, error) {
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	o.Containers = func(id string) ([]string, error) { return r.state.ContainersOfImage(ctx, id) }
	o.RemoveContainers = func(ctx context.Context, ids []string) error {
		var errs []error
		for _, id := range ids {
			if _, err := r.Remove(ctx, id, RemoveOptions{Force: true, Depend: true, Volumes: true}); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	return images.Remove(ctx, names, o)
}
