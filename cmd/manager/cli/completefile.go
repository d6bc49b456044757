package cli

import (
	"context"
	"os"
	"strings"

	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // a script for everyone to read
		return &errdefs.Error{Op: "write", Class: errdefs.ErrUnavailable, Cause: err}
	}
	return nil
}

func invalidShell(name string) error {
	return errdefs.New(errdefs.ErrInvalid, "shell", name, "no completion for it").WithHint("use bash, zsh or fish")
}

func (t *tree) imageNames(ctx context.Context, prefix string) []string {
	images, err := t.app.Images(ctx)
	if err != nil {
		return nil
	}
	summaries, err := images.List(ctx, image.ListOptions{})
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range summaries {
		for _, name := range s.Names {
			// The registry may be left out, as in the name's last part alone.
			short := name[strings.LastIndexByte(name, '/')+1:]
			switch {
			case strings.HasPrefix(name, prefix):
				names = append(names, name)
			case prefix != "" && strings.HasPrefix(short, prefix):
				names = append(names, short)
			}
		}
	}
	return names
}
