package cli

import (
	"context"
	"os"

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

func (t *tree) imageNames(context.Context, string) []string { return nil }
