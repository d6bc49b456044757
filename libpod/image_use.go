package libpod

import (
	"context"

	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// findImage resolves the request's image by its pull policy.
func (r *Runtime) findImage(ctx context.Context, images *image.Service, req *spec.Request, progress func(PullEvent)) (image.Image, error) {
	policy, err := image.ParsePolicy(first(req.Life.Pull, "missing"))
	if err != nil {
		return image.Image{}, err
	}
	o, err := pullOptions(req, progress)
	if err != nil {
		return image.Image{}, err
	}
	o.Policy = policy
	found, err := images.Pull(ctx, req.Image, o)
	if err != nil {
		return image.Image{}, err
	}
	if len(found) == 0 {
		return image.Image{}, errdefs.NotFound("image", req.Image)
	}
	return found[0], nil
}

// RemoveImages removes images. Those that containers use are ErrInUse, with Force their
// containers go first.
func (r *Runtime) RemoveImages(ctx context.Context, names []string, o image.RemoveOptions) (image.RemoveReport, error) {
	images, err := r.Images(ctx)
	if err != nil {
		return image.RemoveReport{}, err
	}
	o.Users = func(ctx context.Context, id string) ([]string, error) { return r.state.ContainersOfImage(ctx, id) }
	o.RemoveUser = func(ctx context.Context, id string) error {
		_, err := r.Remove(ctx, id, RemoveOptions{Force: true, Depend: true, Volumes: true})
		return err
	}
	return images.Remove(ctx, names, o)
}
