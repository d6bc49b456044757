package external

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/ocilog"
)

// versionTime bounds a runtime's answer to --version.
const versionTime = 10 * time.Second

// Describe implements oci.Runtime. A program that does not answer has no version.
func (r *Runtime) Describe(ctx context.Context) (oci.Description, error) {
	d := oci.Description{Name: r.o.Name, Path: r.o.Path}
	if err := r.runnable(); err != nil {
		return d, err
	}
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.o.Path, "--version")
	cmd.Env, cmd.WaitDelay = environment(), time.Second
	out, err := cmd.Output()
	if err != nil {
		return d, nil
	}
	var lines []string
	for line := range strings.Lines(string(out[:min(len(out), 4096)])) {
		if line = ocilog.OneLine(line); line != "" {
			lines = append(lines, line)
		}
	}
	d.Version = strings.Join(lines, "\n")
	return d, nil
}
