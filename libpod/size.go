package libpod

import (
	"context"

	"github.com/manager-project/manager/pkg/errdefs"
)

// size measures a container's own layer and, with its image, the whole root filesystem.
func (r *Runtime) size(ctx context.Context, id string) (*ContainerSize, error) {
	c, err := r.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.cfg.Rootfs.Path != "" {
		return &ContainerSize{}, nil
	}
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	rw, root, err := images.RootfsSize(id)
	if err != nil {
		return nil, &errdefs.Error{Op: "measure", Kind: "container", Name: c.row.Name, Cause: err}
	}
	return &ContainerSize{RW: rw, RootFs: root}, nil
}
