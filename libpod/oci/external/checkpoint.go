package external

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/adopt"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/ocilog"
)

// Checkpoint implements oci.Checkpointer.
func (r *Runtime) Checkpoint(ctx context.Context, q oci.CheckpointRequest) error {
	if err := r.runnable(); err != nil {
		return err
	}
	argv := append(r.base(q.Bundle, q.Cgroup == ""), "checkpoint", "--image-path", q.Images, "--work-path", q.Work)
	argv = append(argv, words(map[string]bool{
		"--pre-dump": q.PreDump, "--leave-running": q.LeaveRunning, "--tcp-established": q.TCPEstablished, "--file-locks": q.FileLocks,
	})...)
	if q.Parent != "" {
		argv = append(argv, "--parent-path", q.Parent)
	}
	fault.Point("runtime: checkpoint")
	err := adopt.Run(ctx, append(argv, q.ID), environment(), logFile(q.Bundle))
	var failed *adopt.Error
	if errors.As(err, &failed) {
		if strings.Contains(failed.Error(), "unknown command") {
			return errdefs.Unsupported("checkpoint", "the runtime %s was built without it", r.o.Name).
				WithHint("install another build of it, or make the container with another --runtime")
		}
		return ocilog.Explain(failed.Error(), r.o.Name, "")
	}
	return err
}

// Restore implements oci.Checkpointer.
func (r *Runtime) Restore(ctx context.Context, q oci.LaunchRequest, from oci.RestoreRequest) (oci.Launched, error) {
	e := r.create(&q)
	base := r.base(q.Bundle, q.Cgroup == "")
	argv := append(base, "restore", "--detach", "--bundle", q.Bundle, "--pid-file", e.PIDFile, "--image-path", from.Images, "--work-path", from.Work)
	argv = append(argv, words(map[string]bool{
		"--tcp-established": from.TCPEstablished, "--tcp-close": from.TCPClose, "--file-locks": from.FileLocks,
	})...)
	if label := q.Spec.Process.SelinuxLabel; label != "" {
		// Images of another container have its labels.
		argv = append(argv, "--lsm-profile", "selinux:"+label)
		if q.Spec.Linux.MountLabel != "" {
			argv = append(argv, "--lsm-mount-context", q.Spec.Linux.MountLabel)
		}
	}
	if q.Monitor.Terminal {
		argv = append(argv, "--console-socket", monitor.ConsoleWord)
	}
	e.Create, e.Start = append(argv, q.ID), nil
	return r.launch(ctx, q, e)
}

// words are the options that are on, in their alphabet's order.
func words(options map[string]bool) []string {
	var on []string
	for _, word := range slices.Sorted(maps.Keys(options)) {
		if options[word] {
			on = append(on, word)
		}
	}
	return on
}
