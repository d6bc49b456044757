package oci

import (
	"context"
	"errors"
	"os"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
)

// Cgroups has the roles that need nothing but the container's cgroup: Freezer, Limiter, Lister, Counter
// and Tidier. The cgroup is made by us whichever runtime fills it, so both implementations have these.
type Cgroups struct{}

// Freeze implements Freezer.
func (Cgroups) Freeze(_ context.Context, path string) error {
	cg, err := cgroups.Load(path)
	if err != nil {
		return err
	}
	return cg.Freeze()
}

// Thaw implements Freezer.
func (Cgroups) Thaw(_ context.Context, path string) error {
	cg, err := cgroups.Load(path)
	if err != nil {
		return err
	}
	return cg.Thaw()
}

// PIDs implements Lister.
func (Cgroups) PIDs(_ context.Context, path string) ([]int, error) {
	cg, err := cgroups.Load(path)
	if err != nil {
		return nil, err
	}
	return cg.PIDs()
}

// KillAll implements Lister.
func (Cgroups) KillAll(_ context.Context, path string) error {
	cg, err := load(path)
	if err != nil || cg == nil {
		return err
	}
	return cg.KillAll()
}

// SetLimits implements Limiter.
func (Cgroups) SetLimits(_ context.Context, q LimitRequest) (restore func() error, err error) {
	cg, err := cgroups.Load(q.Cgroup)
	if err != nil {
		return nil, err
	}
	if restore, err = cg.Remember(q.Change); err != nil {
		return nil, err
	}
	return restore, cg.Set(q.Change)
}

// Stats implements Counter.
func (Cgroups) Stats(_ context.Context, path string) (*cgroups.Stats, error) {
	cg, err := cgroups.Load(path)
	if err != nil {
		return nil, err
	}
	return cg.Stats()
}

// RemoveEmpty implements Tidier.
func (Cgroups) RemoveEmpty(path string) { cgroups.RemoveEmpty(path) }

// RemoveCgroup kills what is left in a cgroup and removes it. "", and one that is not there, are no error.
func (Cgroups) RemoveCgroup(path string) error {
	if path == "" {
		return nil
	}
	cg, err := load(path)
	if err != nil || cg == nil {
		return err
	}
	if err := cg.KillAll(); err != nil {
		return err
	}
	fault.Point("cgroup: killed")
	err = cg.Remove()
	fault.Point("cgroup: removed")
	return err
}

// load is Load, with nil for a cgroup that is not there.
func load(path string) (*cgroups.Cgroup, error) {
	cg, err := cgroups.Load(path)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return cg, err
}
