//go:build !lean

package image

import (
	"bytes"
	"context"

	"github.com/manager-project/manager/pkg/errdefs"
)

// BuiltinName is the name of the image that comes with the program. It is stored on first
// use, when no image of that name exists, and is an ordinary image from then on.
const BuiltinName = localDomain + "/hello:latest"

// builtin stores the built-in image when name means it. ok is false for other names.
func (s *Service) builtin(ctx context.Context, name string, progress ProgressFunc) (img Image, ok bool, err error) {
	switch name {
	case "hello", "hello:latest", "localhost/hello", BuiltinName:
	default:
		return Image{}, false, nil
	}
	if s.opts.Builtin == nil {
		return Image{}, false, nil
	}
	data, err := s.opts.Builtin()
	if err != nil {
		return Image{}, true, err
	}
	images, err := s.Load(ctx, LoadOptions{Reader: bytes.NewReader(data), Progress: progress})
	if err != nil {
		return Image{}, true, err
	}
	if len(images) != 1 || images[0].Name != BuiltinName {
		return Image{}, true, errdefs.New(errdefs.ErrCorrupt, "image", BuiltinName, "the built-in archive holds something else")
	}
	return images[0], true, nil
}
